//! The machine's CPUs, memory and process numbers, and the control groups that share them out.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::{ForkResult, fork, pause};

use super::{Attack, Attempt, Decoys, Stop, attack, gained, nothing, proc};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "take-cpu",
        "",
        "keeps a CPU busy of which it has only a quarter",
        "the cpu controller",
        |decoys| {
            limited(decoys)?;
            busy()
        },
    ),
    attack("take-memory", "", "uses more memory than it has", "the memory controller", |decoys| {
        limited(decoys)?;
        let mut bytes = vec![0_u8; MEMORY];
        bytes.chunks_mut(4096).for_each(|page| page[0] = 1);
        gained(format!("{} MiB", black_box(bytes).len() >> 20))
    }),
    attack("fork-bomb", "", "starts more processes than it may", "the pids controller", |decoys| {
        limited(decoys)?;
        many()
    }),
    attack(
        "cgroup-path",
        "",
        "reads where in the host's cgroup tree it is",
        "a cgroup namespace",
        |decoys| {
            proc()?;
            let paths = fs::read_to_string("/proc/self/cgroup")?;
            let path = paths.lines().find(|line| !line.ends_with(":/"));
            match path {
                Some(path) => gained(path),
                None if decoys.shares("cgroup")? => gained("the host's own tree"),
                None => nothing("/"),
            }
        },
    ),
    attack(
        "cgroup-write",
        "",
        "makes a control group of its own, without limits",
        "a user namespace, and a read-only cgroup tree",
        |_| group(),
    ),
];

/// What the container may have, where it is limited: a quarter of a CPU, this much memory and as
/// many processes.
pub const LIMITS: [(&str, &str); 3] = [("--cpus", "0.25"), ("--memory", "64M"), ("--pids", "64")];

/// More than the limit.
const MEMORY: usize = 96 << 20;
const PROCESSES: usize = 128;

fn limited(decoys: &Decoys) -> Result<(), Stop> {
    match decoys.get("unlimited") {
        Ok(why) => Err(Stop::Untried(why.into())),
        Err(_) => Ok(()),
    }
}

/// More at once than any machine in use is busy with: together they get more than a quarter of a
/// CPU, however little is left for each.
const BUSY: usize = 16;

fn busy() -> Attempt {
    let idle_before = idle()?;
    let begin = Instant::now();
    let mut children = Vec::new();
    for _ in 0..BUSY {
        // SAFETY: this process has one thread; the child makes no call but the one that ends it.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => children.push(child),
            ForkResult::Child => {
                while begin.elapsed() < Duration::from_millis(600) {
                    black_box(0);
                }
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) }
            }
        }
    }
    for child in children {
        nix::sys::wait::waitpid(child, None)?;
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let used = (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6;
    let cpus = used / begin.elapsed().as_secs_f64();
    let idle = (idle()? - idle_before) / begin.elapsed().as_secs_f64();
    match format!("{cpus:.2} CPUs") {
        found if cpus > 0.36 => gained(found),
        _ if idle < 0.1 => Err(Stop::Untried(BUSY_MACHINE.into())),
        found => nothing(found),
    }
}

/// Why it cannot be seen whether a limit holds: others take what the limit leaves.
pub const BUSY_MACHINE: &str = "other programs keep all CPUs of this machine busy";

/// The seconds for which the machine's CPUs had nothing to do: /proc/stat, proc(5).
fn idle() -> Result<f64, Stop> {
    proc()?;
    let stat = fs::read_to_string("/proc/stat")?;
    let ticks = stat.split_whitespace().nth(4).and_then(|ticks| ticks.parse::<f64>().ok());
    Ok(ticks.ok_or_else(|| Stop::Untried("no /proc/stat".into()))? / 100.0)
}

/// They wait to be ended, and are.
fn many() -> Attempt {
    let mut children = Vec::new();
    let refused = loop {
        if children.len() == PROCESSES {
            break None;
        }
        // SAFETY: this process has one thread.
        match unsafe { fork() } {
            Ok(ForkResult::Parent { child }) => children.push(child),
            Ok(ForkResult::Child) => {
                let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
                loop {
                    pause();
                }
            }
            Err(errno) => break Some(errno),
        }
    };
    for child in &children {
        let _ = kill(*child, Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(*child, None);
    }
    refused.map_or(gained(format!("{PROCESSES} processes")), |errno| Err(errno.into()))
}

/// Where there is no tree an attacker mounts the one of version 2.
fn group() -> Attempt {
    let mut top = "/sys/fs/cgroup";
    if fs::exists("/sys/fs/cgroup/unified/cgroup.procs")? {
        top = "/sys/fs/cgroup/unified";
    } else if !fs::exists("/sys/fs/cgroup/cgroup.procs")? {
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(Some("cgroup2"), "/tmp", Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
        top = "/tmp";
    }
    let directory =
        format!("{top}/attack-{}-{}", std::process::id(), Instant::now().elapsed().as_nanos());
    fs::create_dir(&directory)?;
    fs::remove_dir(&directory)?;
    gained("made, and removed again")
}
