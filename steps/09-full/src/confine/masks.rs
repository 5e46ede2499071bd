//! Files of the kernel that no container needs: they are hidden, or can only be read.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

/// What tells about the machine, or gives away what others do there.
const HIDDEN: [&str; 16] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",              // shows keystrokes by their interrupts
    "/proc/kallsyms",                // where in memory the kernel is
    "/proc/kcore",                   // the memory itself
    "/proc/keys",                    // other users' keys by name
    "/proc/kmsg",                    // the kernel's log
    "/proc/latency_stats",           //
    "/proc/sched_debug",             // the processes of all
    "/proc/scsi",                    //
    "/proc/softirqs",                // as interrupts
    "/proc/timer_list",              // the timers of all processes
    "/proc/timer_stats",             //
    "/proc/vmallocinfo",             //
    "/sys/devices/virtual/powercap", // secrets can be read from the power that computing them takes (CVE-2020-8694)
    "/sys/firmware",                 //
];

/// What changes the machine.
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Inside, nobody can make user namespaces: in a new one a process would have all capabilities
/// again.
const NO_USER_NAMESPACES: &str = "/proc/sys/user/max_user_namespaces";

/// Covers them. Comes after the pivot, when no path leads out of the container any more.
pub fn cover() -> Result<()> {
    match fs::write(NO_USER_NAMESPACES, "0") {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {} // the /proc of the container that we are in
        result => result.with_context(|| format!("write 0 to {NO_USER_NAMESPACES}"))?,
    }
    HIDDEN.iter().map(Path::new).try_for_each(hide)?;
    READ_ONLY.iter().map(Path::new).filter(|path| path.exists()).try_for_each(|path| {
        bind(path, path)?;
        restrict(path, MsFlags::MS_RDONLY)
    })
}

/// A directory becomes empty, a file becomes /dev/null. What is not there needs no hiding.
fn hide(path: &Path) -> Result<()> {
    match path.metadata() {
        Err(_) => Ok(()),
        Ok(metadata) if metadata.is_dir() => {
            mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_RDONLY, Some("size=0"))
                .with_context(|| format!("hide {}", path.display()))
        }
        Ok(_) => bind(Path::new("/dev/null"), path),
    }
}

fn bind(source: &Path, target: &Path) -> Result<()> {
    let none: Option<&str> = None;
    mount(Some(source), target, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
        .with_context(|| format!("bind {} on {}", source.display(), target.display()))
}

/// Adds flags to a mount. Those that it has must be repeated: a user namespace may not take off
/// what was put on outside of it (mount_namespaces(7)).
pub fn restrict(path: &Path, flags: MsFlags) -> Result<()> {
    let what = || format!("restrict the mount {}", path.display());
    let present = statvfs(path).with_context(what)?.flags();
    let kept = KEPT
        .iter()
        .filter(|(flag, _)| present.contains(*flag))
        .fold(flags, |flags, (_, kept)| flags | *kept);
    let none: Option<&str> = None;
    mount(none, path, none, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | kept, none).with_context(what)
}

const KEPT: [(FsFlags, MsFlags); 6] = [
    (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
    (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
    (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
    (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
    (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
];
