//! /etc/hosts and /etc/hostname: the container knows its own name and address. They are mounted, so
//! that the root filesystem stays as it is.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use common::{Operation, Tried};
use mnt::Root;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, gethostname, unlinkat};

/// The container's part: mounts the files, where the root filesystem has files of these names.
pub fn mount(address: Ipv4Addr, root: &Root) -> Result<()> {
    let name = gethostname().context("gethostname")?;
    let name = name.to_string_lossy();
    let hosts = format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{name}\n");
    let files = [("etc/hosts", hosts), ("etc/hostname", format!("{name}\n"))];
    files.iter().try_for_each(|(path, content)| place(root, path, content))
}

/// The file is made in the tmpfs on /dev, and its name there is gone as soon as it is mounted. A
/// tmpfs for it alone would cost a millisecond when it is let go of.
fn place(root: &Root, path: &str, content: &str) -> Result<()> {
    match root.resolve(path) {
        // An image without the file, or with a link to what it does not have.
        Err(error) if common::errno(&error) == Some(Errno::ENOENT) => return Ok(()),
        result => result?,
    };
    let (dev, name) = (root.resolve("dev")?, path.rsplit('/').next().unwrap_or(path));
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(&dev, name, flags, Mode::from_bits_truncate(0o644))
        .with_context(|| format!("create {name}"))?;
    File::from(file).write_all(content.as_bytes()).with_context(|| format!("write {name}"))?;
    let copy = mnt::copy_mount(&dev, name).tried(Operation::Bind, format_args!("bind /{path}"))?;
    root.place(copy, path)?;
    unlinkat(&dev, name, UnlinkatFlags::NoRemoveDir).with_context(|| format!("unlink {name}"))
}
