//! The /etc/hosts of a member: a file beside its entry in the registry, mounted read-only. Launchers
//! write it in place, so that the container sees each new neighbour at once.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::unistd::geteuid;
use rustix::fs::CWD;
use user::Gate;

use crate::reach::registry::Registry;

/// The kind of this file in the registry.
pub const KIND: &str = "hosts";

/// What follows is about the neighbours.
const MARK: &str = "# neighbours\n";

/// A member's name and its address, once it has one.
pub(in crate::reach) type Neighbour = (String, Option<Ipv4Addr>);

/// No such file is longer.
const LONGEST: u64 = 1 << 20;

/// A container's file.
pub struct Hosts {
    file: File,
    path: PathBuf,
    /// Root's: the container's root has no rights on the way to it.
    mount: Option<OwnedFd>,
    /// The container has written its part.
    begun: Gate,
}

impl Hosts {
    /// Makes the file of the container of this name.
    pub(super) fn create(registry: &Registry, name: &str) -> Result<Hosts> {
        let file = registry.create_anew(name, KIND)?;
        let mode = Permissions::from_mode(0o644); // all users inside read it
        file.set_permissions(mode).context("chmod the hosts file")?;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let path = fs::read_link(&link).with_context(|| format!("read {link}"))?;
        let open = || mnt::copy_mount(CWD, &path).context("open the hosts file");
        let mount = geteuid().is_root().then(open).transpose()?;
        Ok(Hosts { file, path, mount, begun: Gate::new()? })
    }

    /// The container's part: the first lines, which are about itself.
    pub fn begin(&self, content: &str) -> Result<()> {
        let content = format!("{content}{MARK}");
        self.file.write_all_at(content.as_bytes(), 0).context("write hosts")?;
        self.begun.open()
    }

    /// The launcher's part: waits for that.
    ///
    /// # Errors
    /// The container has ended, and has reported why.
    pub(super) fn wait(&self) -> Result<()> {
        self.begun.wait()
    }

    /// The container's part: the file as a mount.
    pub fn mount(&self) -> Result<OwnedFd> {
        match &self.mount {
            Some(mount) => Ok(mount.try_clone()?),
            None => mnt::copy_mount(CWD, &self.path)
                .with_context(|| format!("open {}", self.path.display())),
        }
    }
}

/// Writes each member's neighbours into its file; the caller has the registry's lock. `own` is the
/// caller's container while it runs: its entry is not opened, because closing it would end the lock.
pub(in crate::reach) fn announce(registry: &Registry, network: &str, own: Option<Neighbour>) {
    let others = super::members(registry, network, own.as_ref().map(|(name, _)| name.as_str()));
    let address = |name: &str| registry.read(name).and_then(|entry| entry.address);
    let mut members: Vec<Neighbour> =
        others.map(|(name, _)| (name.clone(), address(&name))).collect();
    members.extend(own);
    for (name, _) in &members {
        let lines = members.iter().filter(|(other, _)| other != name);
        let lines =
            lines.filter_map(|(other, address)| Some(format!("{}\t{other}\n", (*address)?)));
        // A member that is just ending has no such file, and needs none.
        let _ = rewrite(registry, name, &lines.collect::<String>());
    }
}

/// The new text is there in one write, with empty lines up to the end of the old, which then go: so
/// that a reader meets no half line.
fn rewrite(registry: &Registry, name: &str, neighbours: &str) -> Result<()> {
    let file = registry.to_write(name, KIND).context("no such file")?;
    let mut old = String::new();
    (&file).take(LONGEST).read_to_string(&mut old)?;
    let (own, _) = old.split_once(MARK).context("it is not furnished yet")?;
    let mut new = format!("{own}{MARK}{neighbours}");
    let length = new.len() as u64;
    new.extend(std::iter::repeat_n('\n', old.len().saturating_sub(new.len())));
    file.write_all_at(new.as_bytes(), 0)?;
    Ok(file.set_len(length)?)
}
