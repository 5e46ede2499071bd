//! Files of the kernel that no container needs: they are hidden, or can only be read.
//!
//! Every path here is found beneath the descriptor by which the filesystem was mounted
//! ([`Root::open`]). A rootfs whose /proc is a link that somebody flips cannot move a mask
//! (CVE-2019-19921, CVE-2023-27561).

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use common::{Operation, Tried};
use mnt::Root;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{SFlag, fstat};
use rustix::fs::CWD;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use user::Ids;

use crate::{mount_setattr, owners};

/// Files that reveal the machine, or what others do on it.
const HIDDEN: [&str; 16] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",              // shows keystrokes by their interrupts
    "proc/kallsyms",                // where in memory the kernel is
    "proc/kcore",                   // the memory itself
    "proc/keys",                    // other users' keys by name
    "proc/kmsg",                    // the kernel's log
    "proc/latency_stats",           //
    "proc/sched_debug",             // everybody's processes
    "proc/scsi",                    //
    "proc/softirqs",                // as interrupts
    "proc/timer_list",              // the timers of all processes
    "proc/timer_stats",             //
    "proc/vmallocinfo",             //
    "sys/devices/virtual/powercap", // the power that computing takes gives secrets away (CVE-2020-8694)
    "sys/firmware",                 //
];

/// Files that change the machine.
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// Inside, nobody can make user namespaces: in a new one a process would have all capabilities.
const NO_USER_NAMESPACES: &str = "proc/sys/user/max_user_namespaces";

/// The groups that may send ICMP echo requests, so that ping needs no capability (icmp(7)).
const PING_GROUPS: &str = "proc/sys/net/ipv4/ping_group_range";

/// Covers them, and writes the settings of the container's own namespaces while there still is a way
/// to. Comes before the pivot, while /dev/null is the host's.
pub fn cover(root: &Root, ids: &Ids) -> Result<()> {
    write(root, NO_USER_NAMESPACES, "0")?;
    let last = ids.gids.iter().map(|map| map.inside + map.count - 1).max();
    if let Some(last) = last.filter(|_| owners::outside(&ids.gids, 0).is_some()) {
        write(root, PING_GROUPS, &format!("0 {last}"))?;
    }
    hide_all(root)?;
    READ_ONLY.iter().try_for_each(|path| make_read_only(root, path))
}

fn write(root: &Root, path: &str, value: &str) -> Result<()> {
    let file = match root.open(path, OFlag::O_WRONLY) {
        // The /proc of the container that we are in, or a kernel without this setting.
        Err(error) if is(&error, &[Errno::EROFS, Errno::ENOENT]) => return Ok(()),
        file => File::from(file?),
    };
    (&file).write_all(value.as_bytes()).with_context(|| format!("write {value} to /{path}"))
}

fn is(error: &anyhow::Error, answers: &[Errno]) -> bool {
    common::errno(error).is_some_and(|errno| answers.contains(&errno))
}

/// A directory in which nothing is and nothing can be made.
fn empty_directory() -> Result<OwnedFd> {
    let new = || {
        let filesystem = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&filesystem)?;
        let flags = mnt::INERT | MountAttrFlags::MOUNT_ATTR_RDONLY;
        fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, flags)
    };
    new().tried(Operation::Mount, "mount an empty tmpfs")
}

/// A directory becomes empty, a file becomes /dev/null. What is missing needs no hiding.
fn hide_all(root: &Root) -> Result<()> {
    let mut directories = Vec::new();
    for path in HIDDEN {
        let Some(file) = root.find(path)? else { continue };
        let mode = fstat(&file).with_context(|| format!("stat /{path}"))?.st_mode;
        if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
            directories.push((path, file));
        } else {
            let null = mnt::copy_mount(CWD, "/dev/null");
            let null = null.tried(Operation::Bind, format_args!("hide /{path}"))?;
            root.place_on(&file, null, path)?;
        }
    }
    let Some((first, others)) = directories.split_first() else { return Ok(()) };
    // Attached first: before Linux 6.15 no other mount can be copied, and to let go of one that is
    // attached nowhere costs a millisecond.
    let empty = empty_directory()?;
    let attached = empty.try_clone().context("dup")?;
    root.place_on(&first.1, empty, first.0)?;
    for (path, directory) in others {
        let copy = mnt::copy_mount(&attached, "");
        let copy = copy.tried(Operation::Bind, format_args!("hide /{path}"))?;
        root.place_on(directory, copy, path)?;
    }
    Ok(())
}

fn make_read_only(root: &Root, path: &str) -> Result<()> {
    let Some(file) = root.find(path)? else { return Ok(()) };
    let copy = mnt::copy_mount(&file, "").tried(Operation::Bind, format_args!("bind /{path}"))?;
    match mount_setattr::set(&copy, libc::MOUNT_ATTR_RDONLY) {
        Err(Errno::ENOSYS) => {
            // before Linux 5.12: when it is in the mount table
            let attached = copy.try_clone().context("dup")?;
            root.place_on(&file, copy, path)?;
            remount_read_only(&attached, path)
        }
        result => {
            result.tried(Operation::ChangeMount, format_args!("restrict /{path}"))?;
            root.place_on(&file, copy, path)
        }
    }
}

fn remount_read_only(file: &OwnedFd, path: &str) -> Result<()> {
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    let none: Option<&str> = None;
    mount(none, &*name, none, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags, none)
        .tried(Operation::ChangeMount, format_args!("restrict /{path}"))
}
