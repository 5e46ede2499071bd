//! The control groups of a running container: what they limit and count, and the way in.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use procfs::ProcessCGroup;
use procfs::process::{MountInfo, Process};

use super::running::Container;

/// The groups that a container has for itself: the launcher is not in them.
pub struct Groups(Vec<PathBuf>);

impl Groups {
    /// None where the container was started without limits.
    pub fn own(container: &Container) -> Result<Groups> {
        groups_not_of(&container.launcher, container).map(Groups)
    }

    /// CPU time that it may use, in CPUs.
    pub fn cpus(&self) -> Option<f64> {
        let max = self.read("cpu.max");
        let v2 = max.as_deref().and_then(|max| max.split_once(' '));
        let (quota, period) = match v2 {
            Some((quota, period)) => (quota.parse().ok()?, period.parse().ok()?),
            None => (self.number("cpu.cfs_quota_us")?, self.number("cpu.cfs_period_us")?),
        };
        (quota > 0.0).then_some(quota / period)
    }

    /// CPU time that it has used, in seconds.
    pub fn cpu_time(&self) -> Option<f64> {
        let stat = self.read("cpu.stat").unwrap_or_default();
        let v2 =
            stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse::<f64>().ok());
        v2.map(|micro| micro * 1e-6).or_else(|| Some(self.number("cpuacct.usage")? * 1e-9))
    }

    /// Memory in use and the limit, in bytes.
    pub fn memory(&self) -> (Option<f64>, Option<f64>) {
        let number = |v2, v1| self.number(v2).or_else(|| self.number(v1));
        let limit = number("memory.max", "memory.limit_in_bytes");
        (
            number("memory.current", "memory.usage_in_bytes"),
            limit.filter(|&bytes| bytes < (1u64 << 60) as f64),
        )
    }

    /// Processes and threads there are, and the limit.
    pub fn pids(&self) -> (Option<f64>, Option<f64>) {
        (self.number("pids.current"), self.number("pids.max"))
    }

    /// Both versions of the interface have names of their own, and so has each controller: whoever
    /// has it is asked.
    fn read(&self, file: &str) -> Option<String> {
        self.0
            .iter()
            .find_map(|dir| fs::read_to_string(dir.join(file)).ok())
            .map(|text| text.trim().to_owned())
    }

    fn number(&self, file: &str) -> Option<f64> {
        self.read(file)?.parse().ok()
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
            // On v1 a thread enters by itself, without the 20 ms that cgroup.procs costs there (see
            // chapter 08).
            let door = if dir.join("tasks").exists() {
                dir.join("tasks")
            } else {
                dir.join("cgroup.procs")
            };
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

/// Directories of the groups that the container is in and `other` is not, in each hierarchy
/// (cgroups(7)).
fn groups_not_of(other: &Process, container: &Container) -> Result<Vec<PathBuf>> {
    let mounts =
        Process::myself().and_then(|own| own.mountinfo()).context("read /proc/self/mountinfo")?;
    let mounts: Vec<MountInfo> = mounts.into_iter().collect();
    let theirs = container
        .init
        .cgroups()
        .with_context(|| format!("read /proc/{}/cgroup", container.init.pid))?;
    let others = other.cgroups().with_context(|| format!("read /proc/{}/cgroup", other.pid))?;
    let shared = |it: &ProcessCGroup| {
        others
            .0
            .iter()
            .any(|group| group.hierarchy == it.hierarchy && group.pathname == it.pathname)
    };
    Ok(theirs
        .0
        .iter()
        .filter(|group| !shared(group))
        .filter_map(|group| directory(group, &mounts))
        .collect())
}

fn directory(group: &ProcessCGroup, mounts: &[MountInfo]) -> Option<PathBuf> {
    let shows = |mount: &&MountInfo| match group.hierarchy {
        0 => mount.fs_type == "cgroup2",
        _ => {
            mount.fs_type == "cgroup"
                && group.controllers.iter().any(|name| mount.super_options.contains_key(name))
        }
    };
    let mount = mounts.iter().find(shows)?;
    // Inside another container the mount may begin further down in the tree.
    let below =
        group.pathname.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or(&group.pathname);
    Some(mount.mount_point.join(below.trim_start_matches('/')))
}
