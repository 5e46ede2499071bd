//! The few files below /etc without which programs misbehave, and the users.

use nix::unistd::{Gid, Uid, User};

use crate::plan::Plan;

/// A line of /etc/passwd, with a group of the same name.
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// Plans the files of /etc, and each user's home.
pub fn add(plan: &mut Plan) {
    accounts(plan);
    plan.text("etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n");
    plan.text("etc/resolv.conf", 0o644, ""); // chapter 09 mounts its own on it
    plan.text(
        "etc/nsswitch.conf",
        0o644,
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    );
    plan.text(
        "etc/os-release",
        0o644,
        "NAME=\"container course\"\nID=course\nPRETTY_NAME=\"container course\"\n",
    );
    plan.text("etc/profile", 0o644, PROFILE);
    plan.text("etc/bash.bashrc", 0o644, ". /etc/profile\n");
    if plan.programs().contains("vi") {
        // vim would begin with a complaint that its own defaults are missing.
        plan.text("usr/share/vim/defaults.vim", 0o644, "set nocompatible ruler\n");
    }
    plan.text("root/.bashrc", 0o644, ". /etc/profile\n");
    if let Some(user) = caller() {
        plan.text(format!("{}/.bashrc", &user.home[1..]), 0o644, ". /etc/profile\n");
    }
}

/// The prompt shows the container's name, in the shells that know these letters; dash does not.
const PROFILE: &str = r#"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
if [ "${BASH-}" ] || [ -e /bin/busybox ]; then PS1='\u@\h:\w\$ '; fi
"#;

/// Plans the users and their shells, where the tree does not know its users yet.
pub fn accounts(plan: &mut Plan) {
    let shell = shell(plan);
    let all = accounts_of(caller());
    plan.text(
        "etc/passwd",
        0o644,
        all.iter().map(|account| account.passwd(shell)).collect::<String>(),
    );
    plan.text("etc/group", 0o644, all.iter().map(Account::group).collect::<String>());
    plan.text(
        "etc/shells",
        0o644,
        format!("/bin/sh\n{}", if shell == "/bin/sh" { "" } else { "/bin/bash\n" }),
    );
    if let Some(user) = caller() {
        plan.dir(&user.home[1..], 0o755);
    }
}

/// Returns the homes of the users that may log in, as paths in the tree: root, and the user who
/// builds.
pub fn homes() -> Vec<String> {
    let user = caller().map(|user| user.home[1..].to_owned());
    ["root".to_owned()].into_iter().chain(user).collect()
}

fn shell(plan: &Plan) -> &'static str {
    if plan.programs().contains("bash") { "/bin/bash" } else { "/bin/sh" }
}

/// The user who builds, unless that is root.
fn caller() -> Option<Account> {
    let uid = nix::unistd::geteuid();
    (!uid.is_root()).then(|| account_of(uid, nix::unistd::getegid()))
}

/// Not every machine knows a name for every user.
fn account_of(uid: Uid, gid: Gid) -> Account {
    let known = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let name = known.filter(|name| is_name(name)).unwrap_or_else(|| "user".to_owned());
    let home = format!("/home/{name}");
    Account { name, uid: uid.as_raw(), gid: gid.as_raw(), home }
}

/// The name becomes part of a line and of a path.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', ':', '\n'])
}

/// Root, the caller, and the users that programs expect: nobody's number stands for all users that
/// a container does not know.
fn accounts_of(caller: Option<Account>) -> Vec<Account> {
    let root = Account { name: "root".into(), uid: 0, gid: 0, home: "/root".into() };
    let nobody =
        Account { name: "nobody".into(), uid: 65534, gid: 65534, home: "/nonexistent".into() };
    // OpenSSH's server talks to strangers as this user, who has no rights.
    let sshd = Account { name: "sshd".into(), uid: 74, gid: 74, home: "/run/sshd".into() };
    let is_nobody = caller
        .as_ref()
        .is_some_and(|caller| caller.uid == nobody.uid || caller.name == nobody.name);
    [root].into_iter().chain(caller).chain((!is_nobody).then_some(nobody)).chain([sshd]).collect()
}

impl Account {
    fn passwd(&self, shell: &str) -> String {
        format!("{0}:x:{1}:{2}:{0}:{3}:{shell}\n", self.name, self.uid, self.gid, self.home)
    }

    fn group(&self) -> String {
        format!("{}:x:{}:\n", if self.gid == 65534 { "nogroup" } else { &self.name }, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_stands_between_root_and_nobody() {
        let caller = account_of(Uid::from_raw(4_000_000_000), Gid::from_raw(7));
        let lines: String =
            accounts_of(Some(caller)).iter().map(|account| account.passwd("/bin/sh")).collect();
        assert_eq!(
            lines,
            "root:x:0:0:root:/root:/bin/sh\nuser:x:4000000000:7:user:/home/user:/bin/sh\n\
             nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\nsshd:x:74:74:sshd:/run/sshd:/bin/sh\n"
        );
    }

    #[test]
    fn nobody_stands_only_once() {
        let nobody = account_of(Uid::from_raw(65534), Gid::from_raw(65534));
        assert_eq!(accounts_of(Some(nobody)).len(), 3);
    }
}
