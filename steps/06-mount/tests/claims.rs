//! What chapter 06 claims, checked against the kernel.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use harness::{FileId, HostPath, Mount, Step, chapter, holds, introduces};
use nix::errno::Errno;
use nix::sys::stat::{major, minor};

/// All that is in /dev.
const DEV: [&str; 14] = [
    "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
    "tty", "urandom", "zero",
];

/// Ways to say "from the top": of which `/` is what matters.
const UP: [&str; 2] = ["", "/../../../../../../../../../../.."];

fn main() -> ExitCode {
    chapter(
        "06-mount",
        vec![
            introduces("the container has a mount namespace of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("mount namespace of the payload", container.payload.ns("mnt")?)
                    .differs_from(step.host().ns("mnt")?)
            }),
            introduces("/ is a mount, not a directory of the host's mount", |step| {
                let container = step.start(&["sleep", "30"])?;
                let mounts = container.payload.mounts()?;
                let root =
                    mounts.iter().find(|mount| mount.point == "/").map(|mount| mount.root.as_str());
                step.expect("what is mounted on /", root).satisfies("the rootfs", |root| {
                    root.is_some_and(|root| root.ends_with("/rootfs"))
                })
            }),
            introduces("the host's / is not in the container's mount namespace", |step| {
                let host = step.host().process().mounts()?;
                let host =
                    host.iter().rfind(|mount| mount.point == "/").context("the host has no /")?;
                let container = step.start(&["sleep", "30"])?;
                let mounts = container.payload.all_mounts()?;
                let same = |mount: &&Mount| mount.device == host.device && mount.root == host.root;
                step.expect("mounts of the host's /", mounts.iter().filter(same).count())
                    .equals(0)?;
                step.expect("mounts in all", mounts.len())
                    .satisfies("at most 16", |count| *count <= 16)
            }),
            introduces(
                "no mount propagates from the container to the host, or back, though the host's do",
                |step| {
                    let step = &step.with_shared_mounts()?;
                    let container = step.start(&["sleep", "30"])?;
                    let mounts = container.payload.all_mounts()?;
                    // shared: to others; master: from others, which a user namespace makes of
                    // shared ones (mount_namespaces(7))
                    let propagation = mounts
                        .iter()
                        .map(|mount| mount.propagation.as_str())
                        .collect::<BTreeSet<_>>();
                    step.expect("propagation of its mounts", propagation)
                        .equals(BTreeSet::from([""]))
                },
            ),
            introduces("a mount made inside is not seen on the host", |step| {
                let step = &step.with_shared_mounts()?;
                let launch = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
                let before = step.host().process().file("mountinfo")?;
                let mut container =
                    launch.start(&["sh", "-c", "try-call mount-tmpfs /tmp; echo $?; sleep 30"])?;
                step.expect("mount inside", container.read_line()?).equals("0")?;
                expect_unchanged(step, &before)?;
                drop(container);
                expect_unchanged(step, &before)
            })
            .against(4),
            holds("nothing is mounted on the host, during and after", |step| {
                let step = &step.with_shared_mounts()?;
                let before = step.host().process().file("mountinfo")?;
                let container = step.start(&["sleep", "30"])?;
                expect_unchanged(step, &before)?;
                drop(container);
                expect_unchanged(step, &before)
            }),
            introduces("/proc shows the processes of the container, and no others", |step| {
                let container = step.start(&["sh", "-c", "sleep 30; :"])?;
                let names = names(&container.payload.inside("/proc"))?;
                let numbers =
                    names.iter().filter_map(|name| name.parse().ok()).collect::<Vec<i32>>();
                step.expect("processes in /proc", numbers)
                    .satisfies("1, and 2 at most", |numbers| {
                        numbers.contains(&1) && numbers.iter().all(|&pid| pid <= 2)
                    })
            }),
            introduces("nobody climbs out of it as out of a chroot", |step| {
                let marker = step.host().directory()?.join("marker");
                marker.write("outside")?;
                let launch = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
                let answer = step.try_call(&launch, &["climb-out", marker.arg()])?;
                step.expect("open of the marker outside, after climbing", answer)
                    .equals(Err(Errno::ENOENT))
            }),
            introduces("/dev holds what programs expect, and nothing else", |step| {
                let container = step.start(&["sleep", "30"])?;
                let expected: BTreeSet<String> = DEV.map(str::to_owned).into();
                step.expect("names in /dev", names(&container.payload.inside("/dev"))?)
                    .equals(expected)
            }),
            introduces("/dev/null is the kernel's", |step| {
                let container = step.start(&["sleep", "30"])?;
                let null = container.payload.inside("/dev/null");
                let device =
                    fs::metadata(null).ok().filter(|null| null.file_type().is_char_device());
                let numbers = device.map(|null| (major(null.rdev()), minor(null.rdev())));
                step.expect("device number of /dev/null", numbers).equals(Some((1, 3)))
            }),
            introduces("/dev/pts is an instance of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                let device = |mounts: Vec<Mount>| {
                    let mount = mounts.into_iter().rfind(|mount| mount.point == "/dev/pts");
                    mount.map(|mount| (mount.fstype, mount.device))
                };
                let outside = device(step.host().process().mounts()?);
                step.expect("type and device of /dev/pts", device(container.payload.mounts()?))
                    .satisfies("devpts, and not the host's", |device| {
                        device.as_ref().is_some_and(|(fstype, _)| fstype == "devpts")
                            && *device != outside
                    })
            }),
            holds("/dev/null takes what is written, and /dev/full does not", |step| {
                let output = step.output(&[
                    "sh",
                    "-c",
                    "echo x > /dev/null || exit 1; echo x > /dev/full && exit 2; :",
                ])?;
                step.expect("exit code", output.code()).equals(0)
            }),
            holds("links in a hostile rootfs lead nothing outside (CVE-2021-30465)", hostile_links),
            holds(
                "no link leads out through what the launcher left open (CVE-2024-21626)",
                |step| {
                    let outside = step.host().directory()?;
                    fs::copy("/bin/true", outside.here.join("command")).context("copy")?;
                    let rootfs = step.host().copy_of_rootfs()?;
                    // The table of open files is as large as its highest number asks for.
                    for number in [17, 700] {
                        let way = rootfs.here.join(format!("way-{number}"));
                        symlink(format!("/proc/self/fd/{number}"), way).context("symlink")?;
                        let launch =
                            step.launch().rootfs(&rootfs).leaking_path(number, &outside)?;
                        let output = launch.attempt(&[&format!("/way-{number}/command")])?;
                        step.expect("exit code", output.code()).equals(127)?;
                    }
                    Ok(())
                },
            ),
            holds("links in the rootfs are followed inside it", links_to_what_is_inside),
            holds("also while files are renamed on this machine", links_meanwhile),
            holds("a rootfs without /proc is refused by name", |step| {
                let rootfs = step.host().copy_of_rootfs()?;
                fs::remove_dir(rootfs.here.join("proc")).context("rmdir proc")?;
                let output = step.launch().rootfs(&rootfs).attempt(&["sleep", "30"])?;
                step.expect("exit code", output.code()).equals(125)?;
                step.expect("standard error", output.stderr)
                    .satisfies("names /proc", |text| text.contains("/proc"))
            }),
            holds("the rootfs is left as it was", |step| {
                let rootfs = step.host().copy_of_rootfs()?;
                let before = names(&rootfs.here.join("dev"))?;
                step.launch().rootfs(&rootfs).output(&["sh", "-c", ":"])?;
                step.expect("names in the rootfs's own /dev", names(&rootfs.here.join("dev"))?)
                    .equals(before)
            }),
        ],
    )
}

fn expect_unchanged(step: &Step, before: &str) -> Result<()> {
    step.expect("changes of the host's mount table", step.host().mount_changes(before)?)
        .equals(Vec::<String>::new())
}

fn names(directory: &Path) -> Result<BTreeSet<String>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Each place that the step mounts or creates something at is a link to a directory outside, by its
/// path on the host, and by enough `..` to reach it from anywhere.
fn hostile_links(step: &Step) -> Result<()> {
    for place in ["proc", "dev", "sys", "etc", "dev/null", "dev/pts", "dev/shm"] {
        for up in UP {
            let sentinel = step.host().directory()?;
            sentinel.join("null").write("sentinel")?;
            let rootfs = step.host().copy_of_rootfs()?;
            replace_by_link(&rootfs.join(place), &format!("{up}{}", sentinel.arg()))?;
            expect_nothing_outside(step, &rootfs, &sentinel)?;
        }
    }
    Ok(())
}

/// The same, and the directory is inside as well, by the same path: it is the one that is mounted
/// on.
fn links_to_what_is_inside(step: &Step) -> Result<()> {
    for (place, fstype) in [("proc", "proc"), ("dev", "tmpfs")] {
        for up in UP {
            let sentinel = step.host().directory()?;
            let rootfs = step.host().copy_of_rootfs()?;
            replace_by_link(&rootfs.join(place), &format!("{up}{}", sentinel.arg()))?;
            fs::create_dir_all(rootfs.here.join(sentinel.arg().trim_start_matches('/')))
                .context("mkdir")?;
            let container = step.launch().rootfs(&rootfs).start(&["sleep", "30"])?;
            let mounts = container.payload.mounts()?;
            let found = mounts
                .iter()
                .find(|mount| mount.point == sentinel.arg())
                .map(|mount| mount.fstype.as_str());
            step.expect(format!("mount where /{place} leads, inside"), found)
                .equals(Some(fstype))?;
        }
    }
    Ok(())
}

/// While the kernel follows a `..`, a rename anywhere on the machine makes it answer EAGAIN.
fn links_meanwhile(step: &Step) -> Result<()> {
    let rootfs = step.host().copy_of_rootfs()?;
    fs::create_dir(rootfs.here.join("elsewhere")).context("mkdir")?;
    replace_by_link(&rootfs.join("proc"), "usr/../etc/../usr/../elsewhere")?;
    let (busy, done) = (step.host().directory()?, AtomicBool::new(false));
    let (one, other) = (busy.here.join("one"), busy.here.join("other"));
    fs::write(&one, "").context("write")?;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = fs::rename(&one, &other).and_then(|()| fs::rename(&other, &one));
            }
        });
        let start = || step.launch().rootfs(&rootfs).output(&["sh", "-c", ":"]);
        let ended = (0..10).try_for_each(|_| start().map(drop));
        done.store(true, Ordering::Relaxed);
        ended.or_else(|error| step.expect("a start", format!("{error:#}")).equals("ended well"))
    })
}

fn replace_by_link(place: &HostPath, target: &str) -> Result<()> {
    if place.here.is_dir() {
        fs::remove_dir_all(&place.here)
            .with_context(|| format!("remove {}", place.here.display()))?;
    }
    symlink(target, &place.here).with_context(|| format!("symlink {}", place.here.display()))
}

fn expect_nothing_outside(step: &Step, rootfs: &HostPath, sentinel: &HostPath) -> Result<()> {
    let (mounts, id) = (step.host().process().file("mountinfo")?, FileId::of(&sentinel.here)?);
    let output = step.launch().rootfs(rootfs).attempt(&["sh", "-c", ":"])?;
    step.expect("exit code", output.code())
        .satisfies("0 or 125", |code| [0, 125].contains(code))?;
    expect_unchanged(step, &mounts)?;
    step.expect("the sentinel directory", FileId::of(&sentinel.here)?).equals(id)?;
    step.expect("names in it", names(&sentinel.here)?)
        .equals(BTreeSet::from(["null".to_owned()]))?;
    let content = fs::read_to_string(sentinel.here.join("null")).context("read the sentinel")?;
    step.expect("its file", content).equals("sentinel")
}
