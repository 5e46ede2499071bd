//! The control groups of a running container: what they limit and count, and the way in.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cgroup::files::{self, Counter, Directory, groups_of};
use procfs::process::Process;

use super::running::Container;

/// The groups that a container has for itself: the launcher is not in them.
pub struct Groups(Vec<Directory>);

impl Groups {
    /// None where the container was started without limits.
    pub fn own(container: &Container) -> Result<Groups> {
        groups_not_of(&container.launcher, container).map(Groups)
    }

    /// CPU time that it may use, in CPUs.
    pub fn cpus(&self) -> Option<f64> {
        self.0.iter().find_map(Directory::cpus)
    }

    /// CPU time that it has used, in seconds.
    pub fn cpu_time(&self) -> Option<f64> {
        self.read(&files::CPU_TIME)
    }

    /// Memory in use and the limit, in bytes.
    pub fn memory(&self) -> (Option<f64>, Option<f64>) {
        let limit = self.read(&files::MEMORY_LIMIT);
        (self.read(&files::MEMORY), limit.filter(|&bytes| bytes < (1u64 << 60) as f64))
    }

    /// Processes and threads there are, and the limit.
    pub fn pids(&self) -> (Option<f64>, Option<f64>) {
        (self.read(&files::PIDS), self.read(&files::PIDS_LIMIT))
    }

    /// Each controller counts in its own hierarchy: the first that has the number.
    fn read(&self, counter: &Counter) -> Option<f64> {
        self.0.iter().find_map(|group| group.read(counter))
    }
}

/// The doors to a container's control groups, opened with the rights that the caller has outside.
pub struct Entrances(Vec<(File, PathBuf)>);

impl Entrances {
    /// # Errors
    /// EACCES where a group that limits the container is closed to us: nobody is to run there
    /// without its limits.
    pub fn open(container: &Container) -> Result<Entrances> {
        let own = Groups::own(container)?.0;
        let mut doors = Vec::new();
        for dir in groups_not_of(&Process::myself().context("open /proc/self")?, container)? {
            let door = dir.entrance();
            match OpenOptions::new().write(true).open(&door) {
                Err(_) if !own.contains(&dir) => {} // the launcher's session, say: no limit of the container's
                file => doors
                    .push((file.with_context(|| format!("open cgroup {}", door.display()))?, door)),
            }
        }
        Ok(Entrances(doors))
    }

    /// The child's part: enters them all.
    pub fn enter(&self) -> Result<()> {
        let enter = |(door, path): &(File, PathBuf)| {
            (&*door).write_all(b"0").with_context(|| format!("enter cgroup {}", path.display()))
        };
        self.0.iter().try_for_each(enter)
    }
}

/// Returns the groups that the container is in and `other` is not.
fn groups_not_of(other: &Process, container: &Container) -> Result<Vec<Directory>> {
    let others = groups_of(other)?;
    let theirs = groups_of(&container.init)?;
    Ok(theirs.into_iter().filter(|group| !others.contains(group)).collect())
}
