//! Mount namespace: the container has a mount table of its own, in which the host's root is no
//! longer.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, fchdir, pivot_root};

const NONE: Option<&str> = None;

/// The root filesystem, a mount of its own, before it becomes `/`.
pub struct Root(OwnedFd);

/// Cuts this mount table off from the host's and makes `rootfs` a mount, as pivot_root(2) wants it.
///
/// # Errors
/// EPERM outside a mount namespace that one owns; ENOENT, ENOTDIR, EACCES as path_resolution(7)
/// says.
pub fn root(rootfs: &Path) -> Result<Root> {
    // Where / is shared, as systemd makes it, each mount here would appear on the host as well, and
    // pivot_root would say EINVAL. Together with a user namespace the kernel makes ours slaves:
    // then it is only the host's new mounts that would still appear here (mount_namespaces(7)).
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .context("make / private")?;
    let what = || format!("root filesystem {}", rootfs.display());
    mount(Some(rootfs), rootfs, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
        .with_context(what)?;
    open(rootfs, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map(Root)
        .with_context(what)
}

impl Root {
    /// Mounts something on `path` inside.
    pub fn mount(
        &self,
        source: &str,
        path: &str,
        fstype: &str,
        flags: MsFlags,
        data: &str,
    ) -> Result<()> {
        let target = self.resolve(path)?;
        mount(Some(source), &by_fd(&target), Some(fstype), flags, Some(data))
            .with_context(|| format!("mount {source} on /{path}"))
    }

    /// `path` as the container will see it: a hostile rootfs may have links that lead out of it.
    fn resolve(&self, path: &str) -> Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        openat2(&self.0, path, how).with_context(|| format!("mount point /{path}"))
    }
}

/// Mounts a /proc that shows this PID namespace.
pub fn proc(root: &Root) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match root.mount("proc", "proc", "proc", flags, "") {
        // Inside another container, which hides parts of /proc, a new one would show them
        // (mount_namespaces(7)).
        Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => {
            common::warn(&error, "taking the present /proc instead");
            root.mount("/proc", "proc", "", MsFlags::MS_BIND | MsFlags::MS_REC, "")
        }
        result => result,
    }
}

/// Mounts a /dev with nothing in it but what every program expects. mknod(2) is for the host's root
/// alone, so the devices are the host's own, bound.
pub fn dev(root: &Root) -> Result<()> {
    root.mount("tmpfs", "dev", "tmpfs", MsFlags::MS_NOSUID, "mode=755,size=64k")?;
    let tmpfs = root.resolve("dev")?;
    let dev = by_fd(&tmpfs); // a path again, and a safe one: in a filesystem that we made there are no foreign links
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        let (source, target) = (Path::new("/dev").join(device), dev.join(device));
        File::create(&target).with_context(|| format!("create /dev/{device}"))?;
        mount(Some(&source), &target, NONE, MsFlags::MS_BIND, NONE)
            .with_context(|| format!("bind /dev/{device}"))?;
    }
    for (link, target) in LINKS {
        symlink(target, dev.join(link)).with_context(|| format!("symlink /dev/{link}"))?;
    }
    for (name, fstype, data) in FILESYSTEMS {
        fs::create_dir(dev.join(name)).with_context(|| format!("mkdir /dev/{name}"))?;
        root.mount(
            fstype,
            &format!("dev/{name}"),
            fstype,
            MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            data,
        )?;
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

const FILESYSTEMS: [(&str, &str, &str); 3] = [
    ("pts", "devpts", "newinstance,ptmxmode=666,mode=620"), // its own terminals
    ("shm", "tmpfs", "mode=1777"),                          // shm_open(3)
    ("mqueue", "mqueue", ""), // mq_overview(7): what chapter 04 separated, to look at
];

/// Makes `root` the `/` of this process and takes the host's out of the mount table: nothing is
/// left to escape to.
pub fn pivot(root: Root) -> Result<()> {
    fchdir(&root.0).context("fchdir to the rootfs")?;
    // With "." for both, the old root comes to lie on top of the new one and needs no folder there
    // (pivot_root(2)).
    pivot_root(".", ".").context("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).context("umount the old root")?;
    chdir("/").context("chdir /")
}

/// A name for an open file that mount(2) takes.
fn by_fd(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
