//! Processes in a root filesystem of ours, or running from the target directory, whose launcher is
//! gone.

use std::process;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Found;
use super::ours::{CLEANER, Ours, Owner, Seen};

/// A container that runs is named once, by its first process.
pub fn find(ours: &Ours) -> Result<Vec<Found>> {
    let mut found: Vec<_> = ours.processes().filter_map(|seen| judge(ours, seen)).collect();
    found.sort_by(|a, b| a.what.cmp(&b.what));
    Ok(found)
}

fn judge(ours: &Ours, seen: &Seen) -> Option<Found> {
    let what = format!("process {} ({})", seen.pid, seen.name);
    let pid = Pid::from_raw(seen.pid);
    match (&seen.rootfs, ours.owner(seen)) {
        (Some(rootfs), Owner::Gone) => {
            let why = format!("its / is {}, and its launcher is gone", ours.short(rootfs));
            Some(Found::goes(what, why, move || end(pid)))
        }
        (Some(rootfs), Owner::Alive(owner)) if owner.pid == seen.parent => {
            let why = format!(
                "in use: its / is {}, and {} ({}) has started it",
                ours.short(rootfs),
                owner.pid,
                owner.name
            );
            Some(Found::left(what, why))
        }
        (None, Owner::Gone) if runs_from(ours, seen) => {
            let why = format!("it is {}, and whoever started it is gone", ours.short(&seen.exe));
            Some(Found::goes(what, why, move || end(pid)))
        }
        _ => None,
    }
}

/// Programs that the experiments run on the host, as `server`. A launcher has a container, and a
/// cleaner ends by itself.
fn runs_from(ours: &Ours, seen: &Seen) -> bool {
    let built = seen.exe.starts_with(&ours.target);
    built && seen.pid != process::id() as i32 && !seen.is_launcher() && seen.name != CLEANER
}

/// Waits for it, since what it held is looked for next.
fn end(pid: Pid) -> Result<()> {
    match kill(pid, Signal::SIGKILL) {
        Err(Errno::ESRCH) => return Ok(()),
        result => result.with_context(|| format!("kill {pid}"))?,
    }
    let deadline = Instant::now() + Duration::from_secs(2);
    while procfs::process::Process::new(pid.as_raw())
        .and_then(|it| it.stat())
        .is_ok_and(|stat| stat.state != 'Z')
    {
        if Instant::now() > deadline {
            bail!("killed, and still there: it may be frozen (freezer.state, cgroup.freeze)");
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}
