//! /etc/hosts, /etc/hostname and /etc/resolv.conf: the container knows its own name and address, and
//! where to ask for others. They are mounted, so that the root filesystem stays as it is.

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
use nix::unistd::{UnlinkatFlags, gethostname, unlinkat};

use super::mount_point;
use super::tree::{self, Restrictions};
use crate::reach::network::hosts::Hosts;

/// What the files say.
pub struct Etc<'a> {
    /// The container's own address.
    pub address: Ipv4Addr,
    /// In a network: the file that is kept up to date.
    pub hosts: Option<&'a Hosts>,
    /// With a way out: the name servers.
    pub resolv_conf: Option<&'a str>,
}

impl Etc<'_> {
    /// The container's part: mounts the files, where the root filesystem has files of these names.
    /// With `make_missing` there is a layer in which they may be made.
    pub fn mount(&self, root: &Root, make_missing: bool) -> Result<()> {
        let name = gethostname().context("gethostname")?;
        let (name, address) = (name.to_string_lossy(), self.address);
        let hosts = format!("127.0.0.1\tlocalhost\n::1\tlocalhost\n{address}\t{name}\n");
        match self.hosts {
            Some(shared) => {
                shared.begin(&hosts)?;
                place(root, "etc/hosts", shared.mount()?, make_missing, true)?;
            }
            None => write(root, "etc/hosts", &hosts, false).map(drop)?,
        }
        write(root, "etc/hostname", &format!("{name}\n"), false)?;
        self.resolv_conf.iter().try_for_each(|servers| {
            let there = write(root, "etc/resolv.conf", servers, make_missing)?;
            if !there {
                let what = "ROOTFS has no /etc/resolv.conf to mount one on";
                common::print_stderr(&format!("warning: {what}: no name is resolved inside"));
            }
            Ok(())
        })
    }
}

/// The file is made in the tmpfs on /dev, and its name there is gone as soon as it is mounted. A
/// mount that ends up attached nowhere costs a millisecond when it is let go of, so there is none
/// where it could not be placed.
fn write(root: &Root, path: &str, content: &str, make_missing: bool) -> Result<bool> {
    if !make_missing && root.find(path)?.is_none() {
        return Ok(false);
    }
    let (dev, name) = (root.resolve("dev")?, path.rsplit('/').next().unwrap_or(path));
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(&dev, name, flags, Mode::from_bits_truncate(0o644))
        .with_context(|| format!("create {name}"))?;
    File::from(file).write_all(content.as_bytes()).with_context(|| format!("write {name}"))?;
    let copy = mnt::copy_mount(&dev, name).tried(Operation::Bind, format_args!("bind /{path}"))?;
    let placed = place(root, path, copy, make_missing, false)?;
    unlinkat(&dev, name, UnlinkatFlags::NoRemoveDir).with_context(|| format!("unlink {name}"))?;
    Ok(placed)
}

/// Returns whether there is a file of this name to mount it on. An image may have none, or a link to
/// what it does not have.
fn place(
    root: &Root,
    path: &str,
    mount: OwnedFd,
    make_missing: bool,
    read_only: bool,
) -> Result<bool> {
    // It may be a link to a directory that the image does not have.
    if root.find(path)?.is_none()
        && (!make_missing || mount_point::make(root, path, &mount).is_err())
    {
        return Ok(false);
    }
    if !read_only {
        return root.place(mount, path).map(|()| true);
    }
    let restrictions = Restrictions { read_only, suid: false };
    let copy = mount.try_clone()?;
    match tree::restrict(&mount, restrictions) {
        Err(Errno::ENOSYS) => {
            root.place(mount, path)?;
            tree::restrict_each(&copy, restrictions)?; // before Linux 5.12
        }
        result => {
            result.tried(Operation::ChangeMount, format_args!("restrict /{path}"))?;
            root.place(mount, path)?;
        }
    }
    Ok(true)
}
