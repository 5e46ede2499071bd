//! What a machine can show of the cause of an error.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

/// A condition under which a row of the table applies.
#[derive(Clone, Copy)]
pub struct When {
    holds: fn() -> bool,
    /// How a reader can see it; empty where there is nothing to be seen.
    pub shown: &'static str,
}

impl When {
    /// Whether this machine shows it.
    pub fn holds(&self) -> bool {
        (self.holds)()
    }
}

const fn when(holds: fn() -> bool, shown: &'static str) -> When {
    When { holds, shown }
}

pub const ALWAYS: When = when(|| true, "");
pub const NOT_ROOT: When = when(|| !geteuid().is_root(), "`id -u` is not 0");
pub const UNABLE: When = when(
    || {
        status("CapEff")
            .and_then(|set| u64::from_str_radix(&set, 16).ok())
            .is_some_and(|set| set & CAP_SYS_ADMIN == 0)
    },
    "`capsh --has-p=cap_sys_admin` fails",
);
pub const FILTERED: When = when(
    || status("Seccomp").is_some_and(|mode| mode == "2"),
    "`grep Seccomp: /proc/self/status` shows 2",
);
pub const NO_NEW_PRIVS: When = when(
    || status("NoNewPrivs").is_some_and(|on| on == "1"),
    "`grep NoNewPrivs /proc/self/status` shows 1",
);
pub const USERNS_OFF: When = when(
    || reads("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    "`sysctl kernel.unprivileged_userns_clone` shows 0",
);
pub const APPARMOR: When = when(
    || reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    "`sysctl kernel.apparmor_restrict_unprivileged_userns` shows 1",
);
pub const SELINUX: When =
    when(|| reads("/sys/fs/selinux/enforce", "1"), "`getenforce` shows Enforcing");
pub const NO_USERNS_LEFT: When = when(
    || reads("/proc/sys/user/max_user_namespaces", "0"),
    "`sysctl user.max_user_namespaces` shows 0",
);
pub const NO_USERNS_BUILT: When =
    when(|| !Path::new("/proc/self/ns/user").exists(), "there is no `/proc/self/ns/user`");
pub const UNMAPPED: When = when(
    || fs::read("/proc/self/uid_map").is_ok_and(|map| map.is_empty()),
    "`/proc/self/uid_map` is empty",
);
pub const CHROOTED: When = when(chrooted, "`findmnt /` shows nothing");
pub const NOEXEC: When = when(
    || statvfs("/").is_ok_and(|root| root.flags().contains(FsFlags::ST_NOEXEC)),
    "`findmnt -T ROOTFS -o OPTIONS` shows noexec",
);
pub const CGROUP_READ_ONLY: When = when(cgroup_read_only, "`findmnt -t cgroup2` shows ro");
pub const CGROUP_V2: When = when(
    || Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
    "there is `/sys/fs/cgroup/cgroup.controllers`",
);
pub const WSL_1: When = when(
    // WSL 2, a real Linux, says `-microsoft-standard-WSL2`.
    || {
        fs::read_to_string("/proc/sys/kernel/osrelease")
            .is_ok_and(|release| release.contains("-Microsoft"))
    },
    "`uname -r` ends in `-Microsoft`",
);

/// linux/capability.h
const CAP_SYS_ADMIN: u64 = 1 << 21;

fn reads(file: &str, value: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|content| content.trim() == value)
}

/// A field of /proc/self/status (proc(5)).
fn status(field: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// The root of a mount namespace is a mount; a directory that became `/` by chroot(2) may be none.
fn chrooted() -> bool {
    mounts().is_some_and(|table| !table.lines().any(|line| line.split(' ').nth(4) == Some("/")))
}

fn cgroup_read_only() -> bool {
    let table = mounts().unwrap_or_default();
    let tree = table.lines().find(|line| line.contains(" - cgroup2 "));
    let options = tree.and_then(|line| line.split(' ').nth(5));
    options.is_some_and(|options| options.split(',').any(|option| option == "ro"))
}

/// The mount table, one mount a line: its 5th field is the mount point, the 6th its options
/// (proc(5)).
fn mounts() -> Option<String> {
    fs::read_to_string("/proc/self/mountinfo").ok()
}
