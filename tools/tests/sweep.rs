//! Whether the sweep takes what is ours, and nothing else. Each test has a target directory of its
//! own with copies of the programs, and mounts, links and processes that are not the machine's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use anyhow::{Context, Result, ensure};
use harness::{Identity, skip_without_programs, suite, test};
use nix::unistd::geteuid;
use tempfile::TempDir;

const SWEEP: &str = env!("CARGO_BIN_EXE_sweep");

fn main() -> ExitCode {
    // An ordinary user is root of a user namespace here: all that is swept is of that namespace.
    let identity = if geteuid().is_root() { Identity::Root } else { Identity::User };
    let tests = vec![
        test("processes in our rootfs go, unless someone has them", identity, processes),
        test("a program of ours that was left on the host goes", identity, programs),
        test("links of ours go, and no others", identity, links),
        test("mounts below our directories go, and no others", identity, mounts),
        test("temporary directories go when no test runs", identity, scratch),
        test("layers of killed launchers go, and no others", identity, layers),
        test("groups of ours go, and no others", Identity::Root, groups),
        test("what only root can remove is named with sudo", Identity::Root, needs_root),
        test("make clean spares what is mounted below target", identity, clean),
        test("a shell's exit code is not a failure, unless no shell was started", identity, shell),
        test("make deps asks each package manager for names that it knows", identity, deps),
    ];
    suite(tests, true)
}

/// Covers the control groups and layers, in a mount table of one's own.
const HIDE_GROUPS: &str = "mount -t tmpfs tmpfs /sys/fs/cgroup; mount -t tmpfs tmpfs /var/tmp";

/// A copy of the workspace, as far as it matters: target/debug with programs, target/rootfs/host
/// with a shell.
struct Copy(TempDir);

impl Copy {
    fn new() -> Result<Self> {
        let copy = Copy(tempfile::tempdir().context("mkdtemp")?);
        fs::set_permissions(copy.0.path(), fs::Permissions::from_mode(0o755))?;
        fs::create_dir_all(copy.path("target/debug")).context("mkdir")?;
        fs::create_dir_all(copy.path("target/rootfs/host/proc")).context("mkdir")?;
        fs::create_dir_all(copy.path("elsewhere/proc")).context("mkdir")?;
        for name in ["sweep", "01-chroot", "02-pid", "09-full", "server"] {
            copy.add(&Path::new(SWEEP).with_file_name(name), &format!("target/debug/{name}"))?;
        }
        Ok(copy)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn add(&self, program: &Path, to: &str) -> Result<()> {
        fs::copy(program, self.path(to))
            .map(drop)
            .with_context(|| format!("copy {}", program.display()))
    }

    /// In this directory, in namespaces of its own; what is left of the processes goes with their
    /// process 1.
    fn run(&self, script: &str) -> Result<Output> {
        skip_without_programs(&[script])?;
        // The machine's own groups are out of sight, unless the script begins with something else.
        let script = script
            .strip_prefix("in sight;")
            .map_or(format!("{HIDE_GROUPS}\n{script}"), str::to_owned);
        let mut unshare = Command::new("unshare");
        if !geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        // A session of its own, as a login has.
        unshare.args(["setsid", "bash", "-ec", &script]);
        unshare.current_dir(self.0.path()).output().context("run unshare")
    }

    /// The lines that `script` prints; an error where it fails.
    fn lines(&self, script: &str) -> Result<Vec<String>> {
        let output = self.run(script)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        Ok(printed.lines().map(str::to_owned).collect())
    }
}

/// Exactly these lines, in any order, each known by what it contains.
fn expect(lines: &[String], wanted: &[&str]) -> Result<()> {
    let mut left = lines.to_vec();
    for wanted in wanted {
        let found =
            left.iter().position(|line| wanted.split(" … ").all(|part| line.contains(part)));
        left.remove(found.with_context(|| format!("no line {wanted:?} in {lines:#?}"))?);
    }
    ensure!(left.is_empty(), "besides: {left:#?}");
    Ok(())
}

/// The workspace's rootfs, which has the programs for it.
fn with_rootfs(copy: &Copy) -> Result<String> {
    copy.add(&Path::new(SWEEP).with_file_name("rootfs"), "target/debug/rootfs")?;
    fs::remove_dir_all(copy.path("target/rootfs")).context("make room")?;
    let output = Command::new(copy.path("target/debug/rootfs")).output().context("run rootfs")?;
    ensure!(output.status.success(), "rootfs: {}", String::from_utf8_lossy(&output.stderr));
    Ok("target/debug/01-chroot target/rootfs/host".into())
}

/// A chroot has no launcher that would take its children along. The decoy is in no rootfs of ours,
/// and a container runs.
fn processes() -> Result<()> {
    let copy = Copy::new()?;
    let step = with_rootfs(&copy)?;
    let lines = copy.lines(&format!(
        "setsid --wait {step} bash -c 'sleep 301 < /tmp > /tmp/a & exit 0'
         sleep 302 &
         target/debug/02-pid target/rootfs/host sleep 303 > /dev/null &
         for i in $(seq 100); do [ $(pgrep -c sleep) = 3 ] && break; sleep 0.02; done
         target/debug/sweep --dry-run && exit 1
         target/debug/sweep
         pgrep --exact --list-full sleep | sed 's/^[0-9]* //'
         kill %1 %2
         wait || true
         target/debug/sweep"
    ))?;
    let stray = ["would be removed", "removed"].map(|fate| {
        format!("(sleep): its / is target/rootfs/host, and its launcher is gone; {fate}")
    });
    let used =
        "(sleep): in use: its / is target/rootfs/host, and … (02-pid) has started it; left alone";
    let sums =
        ["To be removed: 1.", "Removed: 1. Still there: 0.", "Nothing is left of any experiment."];
    expect(
        &lines,
        &[&stray[0], &stray[1], used, used, sums[0], sums[1], sums[2], "sleep 302", "sleep 303"],
    )
}

fn programs() -> Result<()> {
    let copy = Copy::new()?;
    copy.add(&Path::new(SWEEP).with_file_name("server"), "elsewhere/server")?;
    let lines = copy.lines(
        "ip link set lo up
         (setsid target/debug/server 4801 > /dev/null 2>&1 &)
         (setsid elsewhere/server 4802 > /dev/null 2>&1 &)
         for i in $(seq 100); do [ $(pgrep -c server) = 2 ] && break; sleep 0.02; done
         target/debug/sweep
         pgrep --list-full server",
    )?;
    expect(
        &lines,
        &[
            "(server): it is target/debug/server, and whoever started it is gone; removed",
            "Removed: 1.",
            "elsewhere/server 4802",
        ],
    )
}

/// The decoys: pairs made by hand, a port of a bridge, another kind of link, an address that is not
/// the name's. One subnet is held as a launcher holds it.
fn links() -> Result<()> {
    let copy = Copy::new()?;
    let lines = copy.lines(
        "pair() { ip link add $1 type veth peer name $2; ip address add $3/30 dev $1; }
         pair veth0ac80101 a 10.200.1.1
         pair veth1 veth2 10.200.2.1
         pair veth0ac80301 b 10.200.9.1
         pair veth0ac80501 c 10.200.5.1
         ip link add bridge0 type bridge
         ip link set veth0ac80501 master bridge0
         ip link add veth0ac80601 type bridge
         ip address add 10.200.6.1/30 dev veth0ac80601
         pair veth0ac80701 d 10.200.7.1
         perl -e 'use Socket; socket(S, AF_INET, SOCK_STREAM, 0); setsockopt(S, 0, 15, pack(\"i\", 1));
             bind(S, sockaddr_in(4, inet_aton(\"10.200.7.0\"))) or die; open(F, \">bound\"); sleep 60' &
         for i in $(seq 100); do [ -e bound ] && break; sleep 0.1; done
         target/debug/sweep
         kill %1
         ip -brief link | sed \"s/@.*//; s/ .*//\" | sort | tr '\\n' ' '",
    )?;
    expect(
        &lines,
        &[
            "link veth0ac80101: … our address 10.200.1.1, and its launcher is gone; removed",
            "link veth0ac80701: in use: a launcher holds the subnet of 10.200.7.1; left alone",
            "Removed: 1. Still there: 0.",
            "b bridge0 c d lo veth0ac80301 veth0ac80501 veth0ac80601 veth0ac80701 veth1 veth2",
        ],
    )
}

fn mounts() -> Result<()> {
    let copy = Copy::new()?;
    fs::create_dir_all(copy.path("target/rootfs/host/a b"))?;
    let lines = copy.lines(
        "mount -t proc proc target/rootfs/host/proc
         mount -t tmpfs tmpfs 'target/rootfs/host/a b'
         mount -t proc proc elsewhere/proc
         target/debug/sweep --dry-run && exit 1
         target/debug/sweep
         grep -o '/elsewhere/proc \\|/target/[^ ]*' /proc/self/mountinfo",
    )?;
    let (proc, blank) =
        ("mount target/rootfs/host/proc (proc): ", "mount target/rootfs/host/a b (tmpfs): ");
    let [dry, wet] = ["would be removed", "removed"]
        .map(|fate| [blank, proc].map(|what| format!("{what} … ; {fate}")));
    expect(
        &lines,
        &[
            &dry[0],
            &dry[1],
            "To be removed: 2.",
            &wet[0],
            &wet[1],
            "Removed: 2. Still there: 0.",
            "/elsewhere/proc",
        ],
    )
}

/// While a test runs, what it has is not touched.
fn scratch() -> Result<()> {
    let copy = Copy::new()?;
    fs::create_dir_all(copy.path("target/tmp/hostX/d"))?;
    fs::create_dir_all(copy.path("target/debug/deps"))?;
    fs::write(copy.path("elsewhere/file"), "")?;
    copy.add(Path::new("/bin/sleep"), "target/debug/deps/claims-0")?;
    let lines = copy.lines(
        "ln -s ../../../../elsewhere target/tmp/hostX/d/link
         target/debug/deps/claims-0 60 & sleep 0.1
         target/debug/sweep
         kill %1; wait || true
         target/debug/sweep
         ls target/tmp elsewhere | tr '\\n' ' '",
    )?;
    expect(
        &lines,
        &[
            "temporary target/tmp/hostX: in use: tests are running, … (claims-0); left alone",
            "Nothing is left",
            "temporary target/tmp/hostX: a test was killed, and none is running; removed",
            "Removed: 1.",
            "elsewhere: file proc  target/tmp:",
        ],
    )
}

/// One is locked as a launcher locks it; one has the directory that an overlay leaves closed.
fn layers() -> Result<()> {
    let copy = Copy::new()?;
    let lines = copy.lines(
        "base=/var/tmp/container-layers-0
         mkdir -p $base/layer-a $base/layer-b $base/other
         (cd $base/layer-a; mkdir -p work/work; chmod 0 work/work)
         flock $base/layer-b sleep 60 & sleep 0.2
         # A launcher that has made its layer, and does not hold it yet.
         (flock 9; mkdir $base/layer-c; sleep 1; exec 8< $base/layer-c; flock 8; flock -u 9; sleep 60) 9< $base &
         until [ -e $base/layer-c ]; do sleep 0.02; done
         target/debug/sweep
         kill %1 %2
         ls $base | tr '\\n' ' '",
    )?;
    expect(
        &lines,
        &[
            "layer /var/tmp/container-layers-0/layer-a: its launcher is gone; removed",
            "layer /var/tmp/container-layers-0/layer-b: in use: its launcher holds it; left alone",
            "layer /var/tmp/container-layers-0/layer-c: in use: its launcher holds it; left alone",
            "Removed: 1. Still there: 0.",
            "layer-b layer-c other",
        ],
    )
}

/// In the hierarchies of the machine, below the group that we are in: of the v1 `pids` controller,
/// or of v2.
fn groups() -> Result<()> {
    let copy = Copy::new()?;
    let output = copy.run(
        "in sight; groups=$(awk '$9 == \"cgroup\" && $NF ~ /pids/ || $9 == \"cgroup2\" { print $5 }' /proc/self/mountinfo | head -n 1)
         mine=$groups/sweep-test-$RANDOM; mkdir $mine
         mkdir elsewhere/groups; mount --bind $mine elsewhere/groups; mount -t tmpfs tmpfs /sys/fs/cgroup
         trap 'rmdir elsewhere/groups/container-*; umount elsewhere/groups /sys/fs/cgroup; rmdir $mine && echo nothing is left' EXIT
         mount -t tmpfs tmpfs /var/tmp; cd elsewhere/groups; mkdir container-aaaaaa container-foo container-bbbbbb container-cccccc; cd ../..
         flock --no-fork elsewhere/groups/container-cccccc sleep 60 &
         sleep 60 & echo $! > elsewhere/groups/container-bbbbbb/cgroup.procs; sleep 0.2
         target/debug/sweep | sed \"s|$PWD/elsewhere/groups|MINE|; s/process $!/process ALIEN/\"
         ls elsewhere/groups | grep container | tr '\\n' ' '
         kill %1 $!; wait || true",
    )?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    expect(
        &lines,
        &[
            "cgroup MINE/container-bbbbbb: in use: process ALIEN is in it, not one of ours; left alone",
            "cgroup MINE/container-cccccc: in use: its launcher holds it; left alone",
            "cgroup MINE/container-aaaaaa: its launcher is gone; removed",
            "Removed: 1. Still there: 0.",
            "container-bbbbbb container-cccccc container-foo nothing is left",
        ],
    )
    .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Root's directory in target/tmp, swept by somebody else.
fn needs_root() -> Result<()> {
    let copy = Copy::new()?;
    fs::create_dir_all(copy.path("target/tmp/hostX"))?;
    let output =
        copy.run("setpriv --reuid 54321 --regid 54321 --clear-groups target/debug/sweep; echo $?")?;
    let lines: Vec<_> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    expect(
        &lines,
        &[
            "NOT removed: … Permission denied … : sudo target/debug/sweep",
            "Removed: 0. Still there: 1.",
        ],
    )
}

/// The Makefile's own recipe, with a `cargo` that removes target as the real one does.
fn clean() -> Result<()> {
    let copy = Copy::new()?;
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Makefile"), copy.path("Makefile"))?;
    fs::create_dir_all(copy.path("tools/practice"))?;
    fs::write(copy.path("tools/practice/practice.mk"), "")?;
    fs::create_dir_all(copy.path("target/rootfs/host/mnt"))?;
    let cargo = "#!/bin/sh\n[ $1 = build ] || exec rm -rf target\n";
    let nothing = "#!/bin/sh\n";
    let programs = [
        ("tools/toolchain.sh", nothing),
        ("tools/install-tools", nothing),
        ("elsewhere/cargo", cargo),
    ];
    for (name, text) in programs {
        fs::write(copy.path(name), text)?;
        fs::set_permissions(copy.path(name), fs::Permissions::from_mode(0o755))?;
    }
    fs::write(copy.path("elsewhere/file"), "")?;
    let lines = copy.lines(
        "mount --bind elsewhere target/rootfs/host/mnt
         touch target/debug/doctor
         PATH=$PWD/elsewhere:$PATH make --silent clean ROOTFS=target/rootfs/host
         ls elsewhere; [ ! -e target ] && echo no target",
    )?;
    let tail = lines.iter().rev().take(4).rev().cloned().collect::<Vec<_>>();
    expect(&tail, &["cargo", "file", "proc", "no target"]).with_context(|| format!("{lines:?}"))
}

/// Steps that are the payload's parent, its ancestor and itself; and no trace of it inside.
fn shell() -> Result<()> {
    let copy = Copy::new()?;
    with_rootfs(&copy)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("shell");
    fs::copy(script, copy.path("elsewhere/shell"))?;
    let lines = copy.lines(
        "mkdir -p empty/proc empty/dev empty/sys; chmod 700 . target/rootfs
         for step in 01-chroot 02-pid 09-full; do
             for tree in target/rootfs/host empty; do
                 code=0
                 echo 'env | grep COURSE; exit 127' |
                     elsewhere/shell target/debug/$step $tree 2> /dev/null || code=$?
                 echo $step $tree: $code
             done
         done",
    )?;
    expect(
        &lines,
        &[
            "01-chroot target/rootfs/host: 0",
            "02-pid target/rootfs/host: 0",
            "09-full target/rootfs/host: 0",
            "01-chroot empty: 127",
            "02-pid empty: 127",
            "09-full empty: 127",
        ],
    )
}

/// Package managers that write down what they are asked; the first one refuses to take all at once.
fn deps() -> Result<()> {
    let copy = Copy::new()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install-tools");
    let base = copy.path("base");
    fs::create_dir(&base)?;
    for name in ["sh", "awk", "sed", "cut", "tr", "sort", "dirname", "cat", "id", "mkdir"] {
        std::os::unix::fs::symlink(which(name)?, base.join(name))?;
    }
    let wanted = [
        ("apt-get", "install --yes --no-install-recommends", "openssh-client"),
        ("dnf", "install --assumeyes", "openssh-clients"),
        ("pacman", "-S --needed --noconfirm", "openssh"),
        ("apk", "add", "openssh-client"),
        ("zypper", "--non-interactive install", "openssh-clients"),
    ];
    for (manager, words, package) in wanted {
        let dir = copy.path(manager);
        fs::create_dir(&dir)?;
        let log = dir.join("log");
        let stub = |name: &str, text: String| {
            fs::write(dir.join(name), format!("#!/bin/sh\n{text}\n"))?;
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755))
        };
        stub(manager, format!("echo \"$@\" >> {}; [ $# -lt 9 ]", log.display()))?;
        stub("sudo", "exec \"$@\"".into())?;
        let output = Command::new(&script)
            .arg("--all")
            .env("PATH", format!("{}:{}", dir.display(), base.display()))
            .stdin(std::process::Stdio::null())
            .output()
            .context("run install-tools")?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        let asked = fs::read_to_string(&log)?;
        ensure!(
            output.status.code() == Some(1) && printed.contains("Still missing: make"),
            "{manager}: {printed}{shown}"
        );
        let mut lines = asked.lines().skip_while(|line| *line == "update");
        let all = lines.next().unwrap_or_default();
        ensure!(
            all.starts_with(words) && all.split(' ').any(|word| word == package),
            "{manager}: {all}"
        );
        ensure!(shown.contains(&format!("{manager} {all}\n")), "{manager}: not shown: {shown}");
        ensure!(
            lines.any(|line| line == format!("{words} {package}")),
            "{manager}: not each by itself: {asked}"
        );
    }
    Ok(())
}

fn which(name: &str) -> Result<PathBuf> {
    let dirs = ["/usr/bin", "/bin"].map(Path::new);
    let mut files = dirs.iter().map(|dir| dir.join(name));
    files.find(|file| file.exists()).with_context(|| format!("no {name} here"))
}
