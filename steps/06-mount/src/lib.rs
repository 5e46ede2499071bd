//! Mount namespace: the container gets its own mount table, without the host's root.

use std::os::fd::BorrowedFd;

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::unistd::{chdir, fchdir, pivot_root, symlinkat};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::mount::MountAttrFlags;

mod root;

pub use root::{Root, attach_root, copy_mount, open_root};

/// The flags of a mount that only shows something: no set-user-ID programs, no devices, nothing to
/// execute.
pub const INERT: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Mounts a /proc that shows this PID namespace.
pub fn mount_proc(root: &Root) -> Result<()> {
    match root.mount("proc", "proc", INERT, &[]) {
        // Inside another container, which hides parts of /proc, a new one would show them
        // (mount_namespaces(7)).
        Err(error) if common::errno(&error) == Some(Errno::EPERM) => {
            common::warn(&error, "taking the present /proc instead");
            root.bind("/proc", "proc")
        }
        result => result,
    }
}

/// Mounts a /dev that has only what every program expects. Only the host's root may make devices
/// (mknod(2)), so these are the host's own, bound.
pub fn mount_dev(root: &Root) -> Result<()> {
    root.mount(
        "tmpfs",
        "dev",
        MountAttrFlags::MOUNT_ATTR_NOSUID,
        &[("mode", "755"), ("size", "64k")],
    )?;
    let dev = root.resolve("dev")?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        openat(&dev, device, flags, Mode::S_IRUSR)
            .with_context(|| format!("create /dev/{device}"))?;
        root.bind(&format!("/dev/{device}"), &format!("dev/{device}"))?;
    }
    for (link, target) in LINKS {
        symlinkat(target, &dev, link).with_context(|| format!("symlink /dev/{link}"))?;
    }
    for (name, fstype, options) in FILESYSTEMS {
        mkdirat(&dev, name, Mode::from_bits_truncate(0o755))
            .with_context(|| format!("mkdir /dev/{name}"))?;
        let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        root.mount(fstype, &format!("dev/{name}"), flags, options)?;
    }
    Ok(())
}

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Directory below /dev, filesystem, options.
type Filesystem = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const FILESYSTEMS: [Filesystem; 3] = [
    ("pts", "devpts", &[("ptmxmode", "666"), ("mode", "620")]), // its own terminals
    ("shm", "tmpfs", &[("mode", "1777"), ("size", "64m")]),     // shm_open(3)
    ("mqueue", "mqueue", &[]), // mq_overview(7): what chapter 04 separated, to look at
];

/// Makes `root` the `/` of this process and takes the host's out of the mount table: nothing is
/// left to escape to.
///
/// # Errors
/// EINVAL where `/` is not a mount, as in a chroot (pivot_root(2)).
pub fn pivot(root: Root) -> Result<()> {
    fchdir(&root.tree).context("fchdir to the rootfs")?;
    drop(root);
    close_files();
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let old_root = open("/", flags, Mode::empty()).context("open the old root")?;
    // With "." for both, the old root comes to lie on top of the new one and needs no folder there.
    pivot_root(".", ".").tried(Operation::PivotRoot, "pivot_root")?;
    fchdir(&old_root).context("fchdir to the old root")?;
    drop(old_root);
    // Something may lie on top of it in turn. Once it is out of the table itself, the answer is
    // EINVAL.
    while umount2(".", MntFlags::MNT_DETACH).is_ok() {}
    chdir("/").context("chdir /")?;
    ensure_nothing_above()
}

/// Where another mount still lies on top of `/`, the way up leads there.
fn ensure_nothing_above() -> Result<()> {
    let mount = |path: &str| statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID);
    match (mount("/"), mount("/..")) {
        (Ok(root), Ok(above)) if root.stx_mnt_id == above.stx_mnt_id => Ok(()),
        _ => Err(Failure::new("umount the old root: it is still there").into()),
    }
}

/// Closes every file and directory of the host. A link inside to /proc/self/fd/7 would lead out
/// through it (CVE-2024-21626). Pipes and sockets lead nowhere, and the launcher waits at one.
fn close_files() {
    // The places in the table of open files. A list of /proc/self/fd would take three times as
    // long, because the kernel makes a directory entry for each of them.
    let places = common::process_status("self", "FDSize").and_then(|places| places.parse().ok());
    for number in libc::STDERR_FILENO + 1..places.unwrap_or(MOST_FILES) {
        // SAFETY: no process closes it meanwhile, because this one has one thread.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        let kind = fstat(file).map(|file| SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT);
        if !matches!(kind, Ok(SFlag::S_IFIFO | SFlag::S_IFSOCK) | Err(Errno::EBADF)) {
            // SAFETY: nothing reads from it or closes it any more: this process soon executes the
            // payload or ends.
            unsafe { libc::close(number) };
        }
    }
}

/// Places to look at where /proc does not say how many there are: more than a login gives.
const MOST_FILES: i32 = 1 << 16;
