//! What the program promises, checked on the real binary, in a directory of the test's own that
//! stands for `target`.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use tempfile::TempDir;

/// A `target` directory with the program in it, which goes with the test.
struct Lab {
    dir: TempDir,
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("debug")).unwrap();
        // Not by this process: another test's child would hold the file open for writing while it
        // is to be executed.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_rootfs"))
            .arg(dir.path().join("debug"))
            .status();
        assert!(copied.unwrap().success());
        Lab { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn rootfs(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.path("debug/rootfs"));
        command.args(args).current_dir(self.dir.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.rootfs(args).output().unwrap()
    }

    /// Builds, and returns the path that is printed.
    fn build(&self, args: &[&str]) -> PathBuf {
        let done = self.run(args);
        assert!(done.status.success(), "{}", stderr(&done));
        let printed = String::from_utf8(done.stdout).unwrap();
        assert_eq!(printed.lines().count(), 1);
        PathBuf::from(printed.trim_end())
    }

    /// Fails to build, in words, and leaves no tree and no draft.
    fn refused(&self, args: &[&str]) -> String {
        let done = self.run(args);
        let printed = stderr(&done);
        assert!(matches!(done.status.code(), Some(2 | 125)), "{printed}");
        assert!(printed.starts_with("Error: ") && !printed.contains("panicked"), "{printed}");
        assert_eq!(self.visible(), [""; 0]);
        printed
    }

    /// What lies in target/rootfs except manifests and locks.
    fn visible(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("rootfs")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock") && !name.ends_with(".manifest")).collect()
    }
}

fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Past the capture of the test runner, which would keep it to itself.
fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// Runs a shell command inside the tree, as root or as root of a user namespace.
fn inside(tree: &Path, script: &str) -> Option<Output> {
    let mut command = Command::new(if geteuid().is_root() { "chroot" } else { "unshare" });
    if !geteuid().is_root() {
        if !Command::new("unshare")
            .args(["-Ur", "true"])
            .status()
            .is_ok_and(|status| status.success())
        {
            skip("a look inside", "this user may not make user namespaces");
            return None;
        }
        command.args(["-Ur", "chroot"]);
    }
    Some(
        command
            .arg(tree)
            .args(["/bin/sh", "-c", script])
            .env("PATH", "/usr/bin:/usr/sbin")
            .output()
            .unwrap(),
    )
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().mode() & 0o7777
}

/// Every path in a tree with its inode and the time of its last change.
fn census(dir: &Path) -> Vec<(PathBuf, u64, i64)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        all.push((path.clone(), meta.ino(), meta.ctime_nsec()));
        if meta.is_dir() {
            all.extend(census(&path));
        }
    }
    all.sort();
    all
}

// ---- the kinds ----

#[test]
fn the_tools_of_the_host_run_inside() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    assert_eq!(tree, lab.path("rootfs/host"));
    assert_eq!(fs::read_link(tree.join("bin")).unwrap(), Path::new("usr/bin"));
    assert_eq!(mode(&tree.join("tmp")), 0o1777);
    for (script, word) in [
        ("ls /", "proc\n"),
        ("whoami", "root\n"),
        ("ip -V", "iproute2"),
        ("mount --version", "util-linux"),
        ("awk 'BEGIN { print 40 + 2 }'", "42\n"),
    ] {
        let program = script.split(' ').next().unwrap();
        if !has(program) {
            skip("a tool of the host", &format!("{program} is not on this machine"));
            continue;
        }
        let Some(done) = inside(&tree, script) else { return };
        assert!(String::from_utf8_lossy(&done.stdout).contains(word), "{script}: {done:?}");
    }
}

#[test]
fn nothing_in_a_tree_is_setuid() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    let mut files = census(&tree).into_iter().map(|(path, ..)| path).filter(|path| path.is_file());
    assert!(files.all(|file| mode(&file) & 0o6000 == 0));
}

#[test]
fn busybox_answers_to_all_its_names() {
    if !has("busybox") {
        return skip("busybox", "there is none on this machine (package busybox-static)");
    }
    let lab = Lab::new();
    let tree = lab.build(&["busybox"]);
    let Some(done) = inside(&tree, "/bin/ls / && /bin/readlink /usr/bin/env") else { return };
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(
        printed.contains("proc\n") && printed.ends_with("/bin/busybox\n"),
        "{printed}{}",
        stderr(&done)
    );
}

#[test]
fn our_own_programs_come_along_with_their_loader() {
    if !has("busybox") {
        return skip("own programs", "there is no busybox on this machine");
    }
    let lab = Lab::new();
    fs::copy("/usr/bin/true", lab.path("debug/server")).unwrap();
    let tree = lab.build(&["busybox"]);
    let Some(done) = inside(&tree, "/usr/local/bin/server") else { return };
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn one_more_program_is_added_by_name_or_by_path() {
    let lab = Lab::new();
    fs::copy("/usr/bin/true", lab.path("mine")).unwrap();
    let tree = lab.build(&["--add", "factor", "--add", "./mine"]);
    assert!(tree.join("usr/bin/factor").is_file() && tree.join("usr/bin/mine").is_file());
    assert!(Lab::new().refused(&["--add", "no-such-program"]).contains("hint: "));
    assert!(Lab::new().refused(&["--add", "/etc/passwd"]).contains("/etc/passwd"));
}

#[test]
fn a_script_is_added_only_to_its_interpreter() {
    let lab = Lab::new();
    for (name, line) in [("good", "#!/bin/sh -e\n"), ("bad", "#!/usr/bin/env no-such-language\n")] {
        fs::write(lab.path(name), line).unwrap();
        fs::set_permissions(lab.path(name), Permissions::from_mode(0o755)).unwrap();
    }
    assert!(lab.refused(&["--add", "./bad"]).contains("no-such-language"));
    assert!(lab.build(&["--add", "./good"]).join("usr/bin/good").is_file());
}

#[test]
fn an_ordinary_user_builds_for_himself() {
    if !geteuid().is_root() {
        return skip("an ordinary user", "all these tests run as one");
    }
    let lab = Lab::new();
    let home = lab.path("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(54321), Some(54321)).unwrap();
    let archive = lab.path("x.tar");
    fs::write(
        &archive,
        tar(&[
            &entry("ro/", b'5', "", 0o555),
            &entry("ro/f", b'0', "", 0),
            &entry("dev/sda", b'4', "", 0),
        ]),
    )
    .unwrap();
    for kind in [&["host"][..], &["tar", "x.tar"]] {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=54321", "--regid=54321", "--clear-groups"])
            .arg(lab.path("debug/rootfs"));
        let done = command
            .args(kind)
            .arg("--to")
            .arg(home.join(kind[0]))
            .current_dir(lab.dir.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", stderr(&done));
    }
    let passwd = fs::read_to_string(home.join("host/etc/passwd")).unwrap();
    assert!(passwd.contains("\nuser:x:54321:54321:user:/home/user:/bin/"), "{passwd}");
    assert!(home.join("tar/ro/f").is_file() && !home.join("tar/dev/sda").exists());
}

/// Starts the server of the tree `$1`, and tries to log in with the key `$2` until it listens.
const SSH: &str = r#"
ip link set lo up && mount --rbind /dev "$1/dev" || exit
chroot "$1" /usr/sbin/dropbear -F -E -s -R -p 127.0.0.1:22 >&2 &
for i in 1 2 3 4 5 6 7 8 9 10; do
    ssh -F/dev/null -oBatchMode=yes -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null \
        -i "$2" root@127.0.0.1 'id -un; exit 7'
    code=$?
    test $code = 255 || exit $code
    sleep 0.1
done
exit 255
"#;

#[test]
fn ssh_lets_in_the_key() {
    if !has("/usr/sbin/dropbear") || !has("ssh") || !geteuid().is_root() {
        return skip(
            "ssh",
            "this takes root, dropbear (package dropbear-bin) and ssh (package openssh-client)",
        );
    }
    let lab = Lab::new();
    let tree = lab.build(&["--with-ssh"]);
    let key = lab.path("rootfs/ssh/id_ed25519");
    assert_eq!(mode(&key), 0o600);
    assert_eq!(mode(&tree.join("root/.ssh")), 0o700);
    // A network of the test's own, and a process tree that goes with its first process.
    let mut unshare = Command::new("unshare");
    unshare.args(["-nmpf", "--kill-child", "sh", "-c", SSH, "sh"]).arg(&tree).arg(&key);
    let done = unshare.stdin(Stdio::null()).output().unwrap();
    assert_eq!((done.status.code(), &*done.stdout), (Some(7), &b"root\n"[..]), "{}", stderr(&done));
    let before = fs::read(&key).unwrap();
    fs::write(lab.path("debug/server"), fs::read("/usr/bin/true").unwrap()).unwrap();
    lab.build(&["--with-ssh"]);
    assert_eq!(before, fs::read(&key).unwrap(), "a new tree knows the old key");
}

#[test]
fn the_place_is_closed_to_other_users() {
    let lab = Lab::new();
    fs::create_dir(lab.path("rootfs")).unwrap();
    fs::set_permissions(lab.path("rootfs"), Permissions::from_mode(0o755)).unwrap();
    let tree = lab.build(&[]);
    assert_eq!((mode(&lab.path("rootfs")), mode(&tree)), (0o700, 0o755));
}

#[test]
fn our_own_programs_lose_their_debug_information() {
    let lab = Lab::new();
    let program = env!("CARGO_BIN_EXE_rootfs");
    fs::copy(program, lab.path("debug/server")).unwrap();
    let tree = lab.build(&[]);
    let size = |file: &Path| fs::metadata(file).unwrap().len();
    let copy = tree.join("usr/local/bin/server");
    assert!(size(&copy) < size(Path::new(program)), "{} bytes", size(&copy));
    let Some(done) = inside(&tree, "/usr/local/bin/server --version") else { return };
    assert!(done.stdout.starts_with(b"rootfs "), "{}", stderr(&done));
}

// ---- up to date ----

#[test]
fn a_program_that_is_linked_again_is_no_change() {
    let lab = Lab::new();
    fs::copy(env!("CARGO_BIN_EXE_rootfs"), lab.path("debug/server")).unwrap();
    let tree = lab.build(&[]);
    let before = census(&tree);
    // As after a linker that has written the same again, with other debug information behind it.
    let mut bytes = fs::read(lab.path("debug/server")).unwrap();
    bytes.extend_from_slice(b"more");
    fs::write(lab.path("debug/server"), bytes).unwrap();
    lab.build(&[]);
    assert_eq!(before, census(&tree));
    fs::write(lab.path("debug/server"), fs::read("/usr/bin/true").unwrap()).unwrap();
    lab.build(&[]);
    assert_ne!(before, census(&tree));
}

// ---- what containers leave ----

#[test]
fn a_tree_with_a_directory_of_root_is_replaced_and_kept_aside() {
    if !geteuid().is_root() {
        return skip("a directory of root", "this takes root, to leave one");
    }
    let lab = Lab::new();
    let build = |lab: &Lab, args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=54321", "--regid=54321", "--clear-groups"]);
        command.arg(lab.path("debug/rootfs")).args(args).current_dir(lab.dir.path());
        command.output().unwrap()
    };
    std::os::unix::fs::chown(lab.dir.path(), Some(54321), Some(54321)).unwrap();
    assert!(build(&lab, &[]).status.success());
    let tree = lab.path("rootfs/host");
    fs::write(tree.join("root/.bash_history"), "of root").unwrap();
    fs::set_permissions(tree.join("root/.bash_history"), Permissions::from_mode(0o600)).unwrap();
    assert!(build(&lab, &["--add", "factor"]).status.success());
    assert_eq!(lab.visible(), ["host"], "a file of root in a directory of the user does no harm");
    fs::create_dir(tree.join("of-root")).unwrap();
    fs::write(tree.join("of-root/file"), "").unwrap();
    let done = build(&lab, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(!tree.join("of-root").exists() && stderr(&done).contains("sudo rm -rf"));
    assert!(lab.path("rootfs/.host.draft.1/of-root/file").exists());
    assert!(!build(&lab, &["remove"]).status.success());
    assert!(lab.run(&["remove"]).status.success());
    assert!(!lab.path("rootfs").exists());
}

/// As the launcher of a container holds its tree.
fn hold(tree: &Path) -> Flock<File> {
    Flock::lock(File::open(tree).unwrap(), FlockArg::LockShared).unwrap()
}

#[test]
fn a_tree_that_a_container_uses_is_replaced_and_kept_aside() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    let held = hold(&tree);
    let done = lab.run(&["--add", "factor"]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(stderr(&done).contains("a container keeps the tree"), "{}", stderr(&done));
    assert!(tree.join("usr/bin/factor").exists());
    assert!(lab.path("rootfs/.host.draft.1/bin/sh").exists());
    lab.build(&[]);
    assert!(lab.path("rootfs/.host.draft.1/bin/sh").exists());
    drop(held);
    lab.build(&["--add", "factor"]);
    assert_eq!(lab.visible(), ["host"], "the next build removes what nobody uses");
}

#[test]
fn a_tree_that_a_container_uses_is_not_removed() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    let held = hold(&tree);
    for args in [&["remove"][..], &["remove", "rootfs/host"]] {
        let done = lab.run(args);
        assert_eq!(done.status.code(), Some(125));
        assert!(stderr(&done).contains("a container uses"), "{}", stderr(&done));
        assert!(tree.join("bin/sh").exists());
    }
    drop(held);
    assert!(lab.run(&["remove"]).status.success());
    assert!(!lab.path("rootfs").exists());
}

#[test]
fn only_what_this_program_has_built_is_removed() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    fs::create_dir(lab.path("precious")).unwrap();
    assert_eq!(lab.run(&["remove", "precious"]).status.code(), Some(125));
    assert!(lab.path("precious").exists());
    fs::set_permissions(tree.join("usr"), Permissions::from_mode(0o000)).unwrap();
    assert!(lab.run(&["remove", tree.to_str().unwrap()]).status.success());
    assert_eq!(fs::read_dir(lab.path("rootfs")).unwrap().count(), 0);
}

#[test]
fn a_second_build_changes_nothing() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    fs::write(tree.join("root/mine"), "kept").unwrap();
    let (before, start) = (census(&tree), Instant::now());
    assert_eq!(lab.build(&[]), tree);
    println!("an up-to-date tree took {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(500));
    assert_eq!(before, census(&tree));
}

#[test]
fn a_changed_program_is_taken_over() {
    let lab = Lab::new();
    fs::copy("/usr/bin/true", lab.path("mine")).unwrap();
    let tree = lab.build(&["--add", "./mine"]);
    fs::copy("/usr/bin/false", lab.path("mine")).unwrap();
    assert_eq!(lab.build(&["--add", "./mine"]), tree);
    assert_eq!(fs::read(tree.join("usr/bin/mine")).unwrap(), fs::read("/usr/bin/false").unwrap());
    assert_eq!(lab.visible(), ["host"]);
}

#[test]
fn a_removed_tree_is_built_again() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    fs::remove_dir_all(&tree).unwrap();
    assert!(lab.build(&[]).join("bin/sh").exists());
}

// ---- whole or not at all ----

#[test]
fn a_killed_build_leaves_no_tree_and_no_trouble() {
    let lab = Lab::new();
    let mut build = lab.rootfs(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let draft = lab.path("rootfs/.host.draft/usr");
    while !draft.exists() {
        assert!(build.try_wait().unwrap().is_none(), "the build ended before it could be killed");
    }
    build.kill().unwrap();
    build.wait().unwrap();
    assert_eq!(lab.visible(), [".host.draft"]);
    lab.build(&[]);
    assert_eq!(lab.visible(), ["host"]);
}

#[test]
fn of_two_builds_at_once_one_waits() {
    let lab = Lab::new();
    fs::write(lab.path("x.tar"), good()).unwrap();
    let start = |_| {
        lab.rootfs(&["tar", "x.tar"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let builds: Vec<_> = (0..4).map(start).collect();
    let done: Vec<_> = builds.into_iter().map(|build| build.wait_with_output().unwrap()).collect();
    assert!(done.iter().all(|done| done.status.success()), "{done:?}");
    // Printed by a process that fills a tree.
    assert_eq!(done.iter().filter(|done| stderr(done).contains("left out: ")).count(), 1);
    assert_eq!(lab.visible(), ["x"]);
}

#[test]
fn a_directory_of_others_is_left_alone() {
    let lab = Lab::new();
    fs::create_dir(lab.path("precious")).unwrap();
    fs::write(lab.path("precious/file"), "").unwrap();
    assert!(lab.refused(&["--to", "precious"]).contains("this program did not build it"));
    assert!(lab.path("precious/file").exists() && !lab.path(".precious.lock").exists());
    assert!(lab.refused(&["--to", "/"]).contains("a tree must be below a directory"));
    assert_eq!(lab.build(&["--to", "new/tree"]), lab.path("new/tree"));
}

#[test]
fn a_tree_with_something_mounted_in_it_stays() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    fs::create_dir(lab.path("elsewhere")).unwrap();
    fs::write(lab.path("elsewhere/file"), "").unwrap();
    let script = "mount --bind elsewhere rootfs/host/mnt && exec debug/rootfs --add factor";
    let mut command = Command::new("unshare");
    let done =
        command.args(["-Urm", "sh", "-c", script]).current_dir(lab.dir.path()).output().unwrap();
    if !stderr(&done).starts_with("Error: ") {
        return skip("a mounted tree", &stderr(&done));
    }
    assert!(stderr(&done).contains("umount"), "{}", stderr(&done));
    assert!(lab.path("elsewhere/file").exists() && tree.is_dir());
}

// ---- archives ----

/// A header and nothing else, with whatever name one likes; the library would refuse to write some
/// of them.
fn entry(name: &str, kind: u8, target: &str, mode: u32) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(mode);
    header.set_size(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn file(name: &str, text: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o6755);
    header.set_size(text.len() as u64);
    header.set_cksum();
    let padding = vec![0; text.len().next_multiple_of(512) - text.len()];
    [header.as_bytes(), text.as_bytes(), &padding].concat()
}

fn tar(entries: &[&[u8]]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn good() -> Vec<u8> {
    tar(&[
        &entry("./", b'5', "", 0o700),
        &entry("./etc/", b'5', "", 0o700),
        &file("./etc/name", "good"),
        &entry("etc/link", b'2', "/etc/name", 0o777),
        &entry("etc/hard", b'1', "./etc/name", 0o755),
        &entry("dev/null", b'3', "", 0o666),
        &entry("pipe", b'6', "", 0o666),
    ])
}

#[test]
fn an_archive_is_known_by_its_content() {
    for (program, name) in [("cat", "x.tar"), ("gzip", "x.tar.xz"), ("xz", "y.zip"), ("zstd", "z")]
    {
        if !has(program) {
            skip("a compressed archive", &format!("{program} is not on this machine"));
            continue;
        }
        let lab = Lab::new();
        let archive = File::create(lab.path(name)).unwrap();
        let mut packer =
            Command::new(program).stdin(Stdio::piped()).stdout(archive).spawn().unwrap();
        packer.stdin.take().unwrap().write_all(&good()).unwrap();
        assert!(packer.wait().unwrap().success());
        let tree = lab.build(&["tar", name]);
        assert_eq!(fs::read_to_string(tree.join("etc/hard")).unwrap(), "good");
        assert_eq!(fs::read_link(tree.join("etc/link")).unwrap(), Path::new("/etc/name"));
        assert_eq!(mode(&tree.join("etc/name")), 0o6755, "only the container reaches this tree");
        assert!(tree.join("proc").is_dir() && mode(&tree.join("tmp")) == 0o1777);
        assert!(!tree.join("dev/null").exists() && !tree.join("pipe").exists());
    }
}

#[test]
fn hostile_archives_are_refused_and_nothing_happens_outside() {
    let outside = tempfile::tempdir().unwrap();
    let (victim, place) = (outside.path().join("victim"), outside.path().to_str().unwrap());
    let target = victim.to_str().unwrap();
    let hostile: &[(&str, Vec<u8>)] = &[
        ("dot-dot", tar(&[&file("../../victim", "x")])),
        ("dot-dot within", tar(&[&file("a/../../b", "x")])),
        ("absolute", tar(&[&file(target, "x")])),
        (
            "through a link to a directory",
            tar(&[&entry("a", b'2', place, 0o777), &file("a/victim", "x")]),
        ),
        ("through a link upwards", tar(&[&entry("a", b'2', "../../..", 0o777), &file("a/b", "x")])),
        (
            "through a link to nowhere",
            tar(&[&entry("a", b'2', "/nowhere/x", 0o777), &file("a/b", "x")]),
        ),
        (
            "a directory through a link",
            tar(&[&entry("a", b'2', place, 0o777), &entry("a/new/", b'5', "", 0o777)]),
        ),
        (
            "a directory over a link",
            tar(&[&entry("a", b'2', place, 0o777), &entry("a/", b'5', "", 0o700)]),
        ),
        ("hard link", tar(&[&entry("a", b'1', target, 0o777), &file("b", "x")])),
        ("hard link upwards", tar(&[&entry("a", b'1', "../../victim", 0o777)])),
        (
            "hard link through a link",
            tar(&[&entry("d", b'2', place, 0o777), &entry("a", b'1', "d/victim", 0o777)]),
        ),
        ("cut", good()[..1700].to_vec()),
        ("no archive", b"#!/bin/sh\n".to_vec()),
        ("empty", Vec::new()),
        ("noise", vec![0xfd; 4096]),
        ("broken gzip", [&[0x1f, 0x8b, 8][..], &[7; 600]].concat()),
        ("broken xz", [&b"\xfd7zXZ\0"[..], &[7; 600]].concat()),
        ("broken zstd", [&b"\x28\xb5\x2f\xfd"[..], &[7; 600]].concat()),
    ];
    for (what, archive) in hostile {
        fs::write(&victim, "untouched").unwrap();
        let (lab, mode_before) = (Lab::new(), mode(outside.path()));
        fs::write(lab.path("x.tar"), archive).unwrap();
        let printed = lab.refused(&["tar", "x.tar"]);
        println!("{what}: {printed}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched", "{what}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{what}");
        assert_eq!(fs::metadata(&victim).unwrap().nlink(), 1, "{what}");
        assert_eq!(mode(outside.path()), mode_before, "{what}");
    }
}

/// An entry of user 26 and group 27.
fn owned(mut entry: Vec<u8>) -> Vec<u8> {
    let header = tar::Header::from_byte_slice(&entry[..512]).clone();
    let mut header = header;
    header.set_uid(26);
    header.set_gid(27);
    header.set_cksum();
    entry[..512].copy_from_slice(header.as_bytes());
    entry
}

#[test]
fn owners_are_kept_and_set_id_bits_where_only_containers_reach_them() {
    if !geteuid().is_root() {
        return skip("owners of an archive", "this takes root");
    }
    let lab = Lab::new();
    fs::write(lab.path("x.tar"), tar(&[&owned(file("su", "x"))])).unwrap();
    let look = |tree: &Path| {
        let meta = fs::metadata(tree.join("su")).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o7777)
    };
    assert_eq!(look(&lab.build(&["tar", "x.tar"])), (26, 27, 0o6755));
    let done = lab.run(&["tar", "x.tar", "--to", "open"]);
    assert!(stderr(&done).contains("other users can reach"), "{}", stderr(&done));
    assert_eq!(look(&lab.path("open")), (26, 27, 0o755));
}

#[test]
fn an_image_is_not_taken_for_a_root_filesystem() {
    for names in [&["oci-layout", "index.json"][..], &["manifest.json"]] {
        let lab = Lab::new();
        let files: Vec<_> = names.iter().map(|name| file(name, "{}")).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        fs::write(lab.path("x.tar"), tar(&files)).unwrap();
        assert!(lab.refused(&["tar", "x.tar"]).contains("make image FILE="));
    }
}

#[test]
fn names_from_an_archive_do_not_command_the_terminal() {
    let lab = Lab::new();
    let mut mode = tar::Header::from_byte_slice(&entry("a\x1b[2J", b'0', "", 0)).clone();
    mode.as_old_mut().mode.copy_from_slice(b"\x1b[2J\x1b[2J");
    mode.set_cksum();
    for bad in [
        mode.as_bytes().to_vec(),
        entry("a\x1b[2J\nb", b'V', "", 0),
        entry("a\x1b]0;x\x07", b'1', "/\x1b[2J", 0),
        [entry("a\x1b[2J", b'0', "", 0), vec![b'\x1b'; 512]].concat(),
    ] {
        fs::write(lab.path("x.tar"), tar(&[&bad])).unwrap();
        let words = lab.refused(&["tar", "x.tar"]);
        assert!(!words.contains(['\x1b', '\x07']) && words.lines().count() < 4, "{words:?}");
    }
}

#[test]
fn a_link_over_a_file_replaces_the_link_only() {
    let lab = Lab::new();
    let victim = lab.path("victim");
    fs::write(&victim, "untouched").unwrap();
    let archive = tar(&[&entry("a", b'2', victim.to_str().unwrap(), 0o777), &file("a", "new")]);
    fs::write(lab.path("x.tar"), archive).unwrap();
    assert_eq!(fs::read_to_string(lab.build(&["tar", "x.tar"]).join("a")).unwrap(), "new");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
}

#[test]
fn what_we_add_does_not_leave_the_tree_through_its_links() {
    let (lab, outside) = (Lab::new(), tempfile::tempdir().unwrap());
    let place = outside.path().to_str().unwrap();
    let links = ["usr", "tmp", "lib64", "root"].map(|name| entry(name, b'2', place, 0o777));
    fs::write(lab.path("x.tar"), tar(&links.each_ref().map(Vec::as_slice))).unwrap();
    lab.refused(&["tar", "x.tar", "--add", "factor"]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_link_to_a_tree_stands_for_the_tree() {
    let lab = Lab::new();
    let tree = lab.build(&[]);
    symlink(&tree, lab.path("link")).unwrap();
    let before = census(&tree);
    assert_eq!(lab.build(&["--to", "link"]), tree);
    assert_eq!(before, census(&tree));
}
