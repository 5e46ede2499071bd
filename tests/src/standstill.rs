//! Whether a step still gets on. A clock cannot decide it: on a slow or busy machine everything
//! takes longer. What counts is what the step does with its time: it keeps a processor busy, or all
//! of it sleeps, and nobody wakes it.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::unistd::{SysconfVar, sysconf};

use crate::interrupt;
use crate::process::{PAUSE, Process, patience};

/// Nothing takes longer, whatever it does.
const LONGEST: Duration = Duration::from_secs(20);

/// More CPU time than a step ever uses: some hundredths of a second make a container.
const COMPUTES: Duration = Duration::from_secs(2);

/// More processes than a container starts. Twice as many in a tenth of a second are possible.
pub(crate) const MOST: usize = 500;

/// How often one looks, and how often all may be found asleep: five seconds in all. A busy machine
/// makes them more, as whoever waits for a processor does not sleep.
const INTERVAL: Duration = Duration::from_millis(100);
const SLEEPS: u32 = 50;

/// The step does not come to an end. This proves nothing, as everything that goes wrong by itself;
/// but the next claim would wait as long again.
#[derive(Clone, Debug)]
pub struct Hangs(pub String);

impl Display for Hangs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Hangs {}

/// Waits for something that a step does. `is_step` says of a process whether it still runs the step,
/// and not the command in the container.
///
/// # Errors
/// [`Hangs`] when the step no longer gets on: "{what}: {why}".
pub(crate) fn wait_for(
    what: &str,
    launcher: Process,
    is_step: impl Fn(&Process) -> bool,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let (start, tasks) = (Instant::now(), tasks());
    let (mut looks, mut asleep) = (0, 0);
    while !condition()? {
        interrupt::ensure_not()?;
        if self::tasks() > tasks + MOST && launcher.descendants().len() > MOST / 2 {
            return Err(Hangs(format!("{what}: it starts processes without end")).into());
        }
        if start.elapsed() > INTERVAL * patience() * (looks + 1) {
            looks += 1;
            let all: Vec<Process> = [launcher].into_iter().chain(launcher.descendants()).collect();
            asleep += u32::from(!all.iter().any(|process| process.is_busy()));
            let computed: Duration =
                all.iter().filter(|it| is_step(it)).map(|process| process.cpu_time()).sum();
            let why = if computed > COMPUTES * patience() {
                format!("the step has computed for {} s, as in an endless loop", COMPUTES.as_secs())
            } else if asleep > SLEEPS {
                format!("all of it sleeps, and nobody wakes it ({})", places(&all))
            } else if start.elapsed() > LONGEST * patience() {
                format!("not within {:?}", LONGEST * patience())
            } else {
                continue;
            };
            return Err(Hangs(format!("{what}: {why}")).into());
        }
        sleep(PAUSE * patience());
    }
    Ok(())
}

/// How many threads this machine has in all, which costs little to ask (proc_loadavg(5)).
fn tasks() -> usize {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let count = load.split(' ').nth(3).and_then(|counts| counts.split('/').nth(1)?.parse().ok());
    count.unwrap_or_default()
}

/// Where in the kernel each process waits, as far as we may know.
fn places(processes: &[Process]) -> String {
    let place = |process: &Process| {
        let name = process.file("comm").unwrap_or_default();
        let place = match process.file("wchan").unwrap_or_default().as_str() {
            _ if !process.runs() => ", a zombie".to_owned(),
            "" | "0" => String::new(),
            place => format!(" in {place}"),
        };
        format!("{}{place}", name.trim_end())
    };
    processes.iter().map(place).collect::<Vec<_>>().join("; ")
}

impl Process {
    /// Whether one of its threads runs or could run, or waits for a device.
    fn is_busy(self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten();
        let stats = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("stat")));
        let states = stats.flatten().filter_map(|stat| fields(&stat)?.chars().next());
        states.into_iter().any(|state| matches!(state, 'R' | 'D'))
    }

    /// What all of its threads have used.
    fn cpu_time(self) -> Duration {
        let ticks = |stat: &str| -> Option<u64> {
            let mut numbers = fields(stat)?.split(' ').skip(11);
            Some(numbers.next()?.parse::<u64>().ok()? + numbers.next()?.parse::<u64>().ok()?)
        };
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as u64;
        let ticks = self.file("stat").ok().and_then(|stat| ticks(&stat)).unwrap_or_default();
        Duration::from_millis(1000 * ticks / per_second)
    }
}

/// The fields of a stat file from the third on, the state: the second, a name, may have any letters
/// (proc_pid_stat(5)).
fn fields(stat: &str) -> Option<&str> {
    Some(stat.rsplit_once(") ")?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::{Child, Command};

    /// Killed when dropped.
    struct Program(Child);

    impl Program {
        fn run(script: &str) -> Program {
            Program(Command::new("sh").args(["-c", script]).spawn().unwrap())
        }

        /// Why the wait for something that never happens ends.
        fn hangs(&self) -> String {
            let launcher = Process { pid: self.0.id() as i32 };
            let error = wait_for("it", launcher, |_| true, || Ok(false)).unwrap_err();
            error.downcast::<Hangs>().unwrap().0
        }
    }

    impl Drop for Program {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_loop_is_known_by_what_it_computes() {
        let why = Program::run("while :; do :; done").hangs();
        assert!(why.contains("endless loop"), "{why}");
    }

    #[test]
    fn what_a_command_in_the_container_computes_does_not_count() {
        let program = Program::run("while :; do :; done");
        let launcher = Process { pid: program.0.id() as i32 };
        let enough = || Ok(launcher.cpu_time() > COMPUTES + COMPUTES / 2);
        wait_for("it", launcher, |_| false, enough).unwrap();
    }

    #[test]
    fn sleep_without_end_is_known_by_its_places() {
        let why = Program::run("exec sleep 60").hangs();
        assert!(why.starts_with("it: all of it sleeps, and nobody wakes it (sleep in "), "{why}");
    }

    #[test]
    fn what_comes_in_time_is_waited_for() {
        let program = Program::run("exec sleep 60");
        let start = Instant::now();
        let after = || Ok(start.elapsed() > Duration::from_secs(2));
        wait_for("it", Process { pid: program.0.id() as i32 }, |_| true, after).unwrap();
    }

    #[test]
    fn a_name_with_parentheses() {
        assert_eq!(fields("7 (a) R b) S 1 7"), Some("S 1 7"));
    }
}
