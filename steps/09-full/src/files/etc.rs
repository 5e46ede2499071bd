//! /etc/hosts and /etc/hostname: the container knows its own name and address. They are mounted from
//! a tmpfs, so that the root filesystem stays as it is.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use mnt::Root;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::gethostname;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};

/// The container's part: mounts the files, where the root filesystem has files of these names.
pub fn mount(address: Ipv4Addr, root: &Root) -> Result<()> {
    let name = gethostname().context("gethostname")?;
    let name = name.to_string_lossy();
    let hosts = format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{name}\n");
    let files = [("etc/hosts", hosts), ("etc/hostname", format!("{name}\n"))];
    let tmpfs = new_tmpfs().tried(Operation::Mount, "mount a tmpfs for /etc/hosts")?;
    files.iter().try_for_each(|(path, content)| place(&tmpfs, path, content, root))
}

fn place(tmpfs: &OwnedFd, path: &str, content: &str, root: &Root) -> Result<()> {
    match root.resolve(path) {
        // An image without the file, or with a link to what it does not have.
        Err(error) if common::errno(&error) == Some(Errno::ENOENT) => return Ok(()),
        result => result?,
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o644);
    let file = openat(tmpfs, name, flags, mode).with_context(|| format!("create {name}"))?;
    File::from(file).write_all(content.as_bytes()).with_context(|| format!("write {name}"))?;
    let copy = mnt::copy_mount(tmpfs, name).tried(Operation::Bind, format_args!("bind /{path}"))?;
    root.place(copy, path)
}

fn new_tmpfs() -> rustix::io::Result<OwnedFd> {
    let filesystem = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&filesystem, "size", "64k")?;
    fsconfig_create(&filesystem)?;
    fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, mnt::INERT)
}
