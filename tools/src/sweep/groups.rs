//! Control groups called `container-PID`, in every hierarchy: the cleaner of chapter 08 removes
//! them, unless it was killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use procfs::process::Process;

use super::Found;
use super::ours::Ours;

/// All of them, wherever the launcher was in the tree.
pub fn find(ours: &Ours) -> Result<Vec<Found>> {
    let mounts =
        Process::myself().and_then(|own| own.mountinfo()).context("read /proc/self/mountinfo")?;
    let mut groups = Vec::new();
    let abroad = is_initial("cgroup", CGROUP_INIT) && !is_initial("pid", PID_INIT);
    for mount in
        mounts.into_iter().filter(|mount| ["cgroup", "cgroup2"].contains(&mount.fs_type.as_str()))
    {
        // The machine's whole tree, seen from where process numbers are not the machine's: none of
        // them says anything.
        if !(abroad && mount.root == "/") {
            collect(&mount.mount_point, &mut groups);
        }
    }
    groups.sort();
    groups.dedup();
    Ok(groups.into_iter().map(|(dir, launcher)| judge(ours, dir, launcher)).collect())
}

/// linux/proc_ns.h: what the machine's own namespaces of these kinds are called.
const PID_INIT: &str = "pid:[4026531836]";
const CGROUP_INIT: &str = "cgroup:[4026531835]";

fn is_initial(kind: &str, name: &str) -> bool {
    fs::read_link(format!("/proc/self/ns/{kind}")).is_ok_and(|link| link == Path::new(name))
}

fn collect(dir: &Path, groups: &mut Vec<(PathBuf, i32)>) {
    let below = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        match launcher(&entry.file_name().to_string_lossy()) {
            Some(pid) => groups.push((entry.path(), pid)),
            None => collect(&entry.path(), groups),
        }
    }
}

/// The number in the name of a group of ours.
fn launcher(name: &str) -> Option<i32> {
    let number = name.strip_prefix("container-")?;
    number.parse().ok().filter(|pid: &i32| pid.to_string() == number && *pid > 0)
}

fn judge(ours: &Ours, dir: PathBuf, launcher: i32) -> Found {
    let what = format!("cgroup {}", dir.display());
    if ours.launcher(launcher) {
        return Found::left(what, format!("in use: its launcher is process {launcher}"));
    }
    let inside = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let foreign = inside.lines().find(|pid| !pid.parse().is_ok_and(|pid| ours.is_stray(pid)));
    match foreign {
        Some(pid) => {
            Found::left(what, format!("in use: process {pid} is in it, which is none of ours"))
        }
        None => {
            Found::goes(what, format!("its launcher, process {launcher}, is gone"), move || {
                remove(&dir)
            })
        }
    }
}

/// A process that was killed is in its group for a moment longer.
fn remove(dir: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match fs::remove_dir(dir) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => return Ok(()), // its cleaner was quicker
            Err(error)
                if error.raw_os_error() == Some(Errno::EBUSY as i32)
                    && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(5));
            }
            result => return result.with_context(|| format!("rmdir {}", dir.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_group_of_ours_has_a_process_number_in_its_name() {
        assert_eq!(super::launcher("container-4711"), Some(4711));
        for other in [
            "container-foo",
            "container-",
            "container-0",
            "container-007",
            "container-+7",
            "my-container-7",
        ] {
            assert_eq!(super::launcher(other), None, "{other}");
        }
    }
}
