//! Groups as directories: which files limit and count the same thing in both versions of the
//! interface.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use procfs::ProcessCGroup;
use procfs::process::{MountInfo, Process};

/// The two interfaces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    /// Documentation/admin-guide/cgroup-v1
    V1,
    /// Documentation/admin-guide/cgroup-v2.rst
    V2,
}

/// A group in one hierarchy.
#[derive(Clone, Debug, PartialEq)]
pub struct Directory {
    /// Where it is mounted here.
    pub path: PathBuf,
    /// Which interface its files have.
    pub version: Version,
    /// Where the top of its hierarchy is mounted.
    pub top: PathBuf,
}

/// A number that the kernel keeps: for v1 and v2 the file, the key of its line (empty where the
/// file has only this number), and what the number counts in.
pub struct Counter {
    v1: (&'static str, &'static str, f64),
    v2: (&'static str, &'static str, f64),
}

const fn counter(
    v1: (&'static str, &'static str, f64),
    v2: (&'static str, &'static str, f64),
) -> Counter {
    Counter { v1, v2 }
}

const NANO: f64 = 1e-9;
const MICRO: f64 = 1e-6;

/// CPU time that was used, in seconds.
pub const CPU_TIME: Counter =
    counter(("cpuacct.usage", "", NANO), ("cpu.stat", "usage_usec", MICRO));
/// Periods in which the quota of CPU time was used up.
pub const THROTTLED: Counter =
    counter(("cpu.stat", "nr_throttled", 1.0), ("cpu.stat", "nr_throttled", 1.0));
/// Memory in use, in bytes.
pub const MEMORY: Counter =
    counter(("memory.usage_in_bytes", "", 1.0), ("memory.current", "", 1.0));
/// The most memory that ever was in use, in bytes (v2: since Linux 5.19).
pub const MEMORY_PEAK: Counter =
    counter(("memory.max_usage_in_bytes", "", 1.0), ("memory.peak", "", 1.0));
/// The limit of memory in bytes; in v1 a number near 2^63 where there is none.
pub const MEMORY_LIMIT: Counter =
    counter(("memory.limit_in_bytes", "", 1.0), ("memory.max", "", 1.0));
/// Processes that the out-of-memory killer has killed.
pub const OOM_KILLS: Counter =
    counter(("memory.oom_control", "oom_kill", 1.0), ("memory.events", "oom_kill", 1.0));
/// Processes and threads.
pub const PIDS: Counter = counter(("pids.current", "", 1.0), ("pids.current", "", 1.0));
/// The limit of their number.
pub const PIDS_LIMIT: Counter = counter(("pids.max", "", 1.0), ("pids.max", "", 1.0));
/// How often fork(2) was refused because of it.
pub const FORKS_REFUSED: Counter =
    counter(("pids.events", "max", 1.0), ("pids.events", "max", 1.0));

/// The time in which a quota may be used, in microseconds; the kernel's default (sched-bwc.rst).
const PERIOD: u32 = 100_000;

/// A controller, and what to write to which file to limit something.
pub(crate) struct Limit {
    pub controller: &'static str,
    v1: Vec<(&'static str, String)>,
    v2: Vec<(&'static str, String)>,
}

impl Limit {
    pub fn cpus(cpus: f64) -> Limit {
        let quota = (cpus * f64::from(PERIOD)).round() as u64;
        Limit {
            controller: "cpu",
            v1: vec![
                ("cpu.cfs_period_us", PERIOD.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ],
            v2: vec![("cpu.max", format!("{quota} {PERIOD}"))],
        }
    }

    /// Without a limit on swap the kernel would swap out what goes beyond, and the program would
    /// only become slow.
    pub fn memory(bytes: u64) -> Limit {
        Limit {
            controller: "memory",
            v1: vec![
                ("memory.limit_in_bytes", bytes.to_string()),
                ("memory.memsw.limit_in_bytes", bytes.to_string()),
            ],
            v2: vec![("memory.max", bytes.to_string()), ("memory.swap.max", "0".into())],
        }
    }

    pub fn pids(number: u32) -> Limit {
        let files = vec![("pids.max", number.to_string())];
        Limit { controller: "pids", v1: files.clone(), v2: files }
    }

    /// The files to write, in this order, and what.
    pub fn files(&self, version: Version) -> &[(&'static str, String)] {
        match version {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        }
    }
}

impl Directory {
    /// Returns a number, where this group's hierarchy counts it and it is limited.
    pub fn read(&self, counter: &Counter) -> Option<f64> {
        let (file, key, unit) = match self.version {
            Version::V1 => counter.v1,
            Version::V2 => counter.v2,
        };
        let content = self.content(file)?;
        let mut lines = content.lines().map(|line| line.split_once(' ').unwrap_or(("", line)));
        let (_, number) = lines.find(|(name, _)| *name == key)?;
        number.parse::<f64>().ok().map(|number| number * unit)
    }

    /// Returns how many CPUs its processes may use together, where that is limited.
    pub fn cpus(&self) -> Option<f64> {
        let both = match self.version {
            Version::V1 => [self.content("cpu.cfs_quota_us")?, self.content("cpu.cfs_period_us")?],
            Version::V2 => {
                self.content("cpu.max")?.split_once(' ').map(|it| [it.0, it.1].map(String::from))?
            }
        };
        let [quota, period] = both.map(|number| number.trim().parse::<f64>().ok());
        quota.filter(|&quota| quota > 0.0).zip(period).map(|(quota, period)| quota / period)
    }

    /// The file by which a process enters the group. On v1 cgroup.procs would do as well, and wait
    /// 20 ms for an RCU grace period; a single thread need not.
    pub fn entrance(&self) -> PathBuf {
        self.path.join(match self.version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        })
    }

    /// Returns whether no process is in the group.
    pub fn is_empty(&self) -> bool {
        fs::read(self.path.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty())
    }

    fn content(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }
}

/// Returns the groups that a process is in, one for each hierarchy that is mounted here.
pub fn groups_of(process: &Process) -> Result<Vec<Directory>> {
    let groups = process.cgroups().with_context(|| format!("read /proc/{}/cgroup", process.pid))?;
    let mounts = mounts()?;
    Ok(groups.0.iter().filter_map(|group| directory(group, &mounts)).collect())
}

/// Returns the mount table of this process.
pub(crate) fn mounts() -> Result<Vec<MountInfo>> {
    let table = Process::myself().and_then(|own| own.mountinfo());
    Ok(table.context("read /proc/self/mountinfo")?.into_iter().collect())
}

/// Returns the directory of a line of /proc/PID/cgroup (cgroups(7)).
pub(crate) fn directory(group: &ProcessCGroup, mounts: &[MountInfo]) -> Option<Directory> {
    let version = if group.hierarchy == 0 { Version::V2 } else { Version::V1 };
    let has = |mount: &MountInfo| {
        group.controllers.iter().any(|name| mount.super_options.contains_key(name))
    };
    let shows = |mount: &&MountInfo| match version {
        Version::V1 => mount.fs_type == "cgroup" && has(mount),
        Version::V2 => mount.fs_type == "cgroup2",
    };
    let mount = mounts.iter().find(shows)?;
    // Inside another container the mount may begin further down in the tree.
    let root = mount.root.trim_end_matches('/');
    let below = group.pathname.strip_prefix(root).unwrap_or(&group.pathname);
    let top = mount.mount_point.clone();
    Some(Directory { path: top.join(below.trim_start_matches('/')), version, top })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_part_of_100_ms() {
        let expected = [("cpu.max", "80000 100000".to_owned())];
        assert_eq!(Limit::cpus(0.8).files(Version::V2), expected);
    }

    #[test]
    fn both_versions_are_read_alike() -> Result<()> {
        let path = std::env::temp_dir().join(format!("group-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        let both = [Version::V1, Version::V2].map(|version| Directory {
            path: path.clone(),
            version,
            top: path.clone(),
        });
        let files = [
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.max", "50000 100000\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            ("memory.events", "low 0\noom 4\noom_kill 3\n"),
            ("pids.max", "max\n"),
        ];
        files.iter().try_for_each(|(file, content)| fs::write(path.join(file), content))?;
        for group in &both {
            assert_eq!(group.cpus(), Some(0.5));
            assert_eq!(group.read(&OOM_KILLS), Some(3.0));
            assert_eq!(group.read(&PIDS_LIMIT), None);
        }
        Ok(fs::remove_dir_all(path)?)
    }
}
