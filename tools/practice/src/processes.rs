//! Leaves nothing of the learner's code running: orphans become children of this process, which
//! ends them.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use libc::c_int;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Ends everything below this process when it goes. Ctrl-C, too, ends what is below first.
pub struct Tidy {
    sudo: Option<String>,
}

/// How many hundredths of a second the judge has for that.
const PATIENCE: u32 = 200;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_interrupt(_: c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Whether Ctrl-C came while something ran below this process.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

impl Tidy {
    /// From here on orphans come to this process.
    pub fn new(sudo: Option<&str>) -> Result<Tidy> {
        prctl::set_child_subreaper(true).context("prctl PR_SET_CHILD_SUBREAPER")?;
        // SAFETY: the handler stores to an atomic and does nothing else. execve(2) resets it.
        unsafe { signal(Signal::SIGINT, SigHandler::Handler(note_interrupt)) }.context("signal")?;
        Ok(Tidy { sudo: sudo.map(str::to_owned) })
    }
}

impl Drop for Tidy {
    /// Asks the judge first, who takes away its files as well. Then kills, again and again, because
    /// a process may start others while it is being looked for.
    fn drop(&mut self) {
        // SAFETY: SIG_DFL runs no code of ours.
        let _ = unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) };
        self.send(Signal::SIGTERM, &children(&table(), Pid::this()));
        for round in 0..PATIENCE + 100 {
            let below = descendants(Pid::this());
            if below.is_empty() {
                return;
            }
            if round >= PATIENCE {
                self.send(Signal::SIGKILL, &below);
            }
            while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status.pid().is_some())
            {
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Tidy {
    fn send(&self, signal: Signal, to: &[Pid]) {
        let refused = to.iter().filter(|&&pid| kill(pid, signal) == Err(Errno::EPERM));
        let refused: Vec<String> = refused.map(Pid::to_string).collect();
        if let Some(sudo) = self.sudo.as_ref().filter(|_| !refused.is_empty()) {
            let mut kill = Command::new(sudo);
            kill.args(["kill", "-s", signal.as_str().trim_start_matches("SIG")]).args(refused);
            let _ = kill.stderr(Stdio::null()).status();
        }
    }
}

/// All processes with their parents.
fn table() -> Vec<(Pid, Pid)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((Pid::from_raw(pid), Pid::from_raw(parent)))
        })
        .collect()
}

fn children(table: &[(Pid, Pid)], of: Pid) -> Vec<Pid> {
    table.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid).collect()
}

/// All processes below `ancestor`.
fn descendants(ancestor: Pid) -> Vec<Pid> {
    let table = table();
    let mut below = vec![ancestor];
    let mut next = 0;
    while next < below.len() {
        below.extend(children(&table, below[next]));
        next += 1;
    }
    below.remove(0);
    below
}
