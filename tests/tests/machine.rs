//! The machine is as before: containers leave nothing on it, and no experiment reaches it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    FileId, Hangs, HostPath, Identity, Launch, Launched, Process, STEPS, Step, suite, test,
    wait_until,
};
use libtest_mimic::Trial;

/// The kernel takes a moment: a link goes 50 ms after the last process of its namespace. A process
/// 1 that reaps orphans only now and then may leave zombies for a second or two.
const A_MOMENT: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    let mut tests: Vec<Trial> = Vec::new();
    for identity in [Identity::Root, Identity::User] {
        for (index, name) in STEPS.iter().enumerate() {
            let number = index + 1;
            tests.push(test(format!("{name} leaves nothing"), identity, move || {
                leaves_nothing(number, identity)
            }));
            let killed = format!("{name}, killed while it starts, leaves nothing");
            tests.push(test(killed, identity, move || killed_while_starting(number, identity)));
        }
        tests.push(test("kill(-1) ends the experiment and nothing else", identity, move || {
            kill_everybody(identity)
        }));
        tests.push(test("what hangs ends with its host", identity, move || hangs(identity)));
        tests.push(test("what multiplies ends before the machine is full", identity, move || {
            multiplies(identity)
        }));
        tests.push(test("twenty at once do not disturb each other", identity, move || {
            twenty_at_once(identity)
        }));
    }
    suite(tests, true)
}

/// What a container could have left: on its host, and in the control groups, which are the
/// machine's.
#[derive(Debug, PartialEq)]
struct State {
    mounts: String,
    links: String,
    queues: String,
    hostname: String,
    groups: BTreeSet<PathBuf>,
}

impl State {
    fn of(step: &Step) -> Result<Self> {
        let host = step.host().process();
        Ok(State {
            mounts: host.file("mountinfo")?,
            links: match step.host().has_own_processes() {
                true => host.run_in(&["net"], &["ip", "-o", "link"])?,
                false => String::new(), // nor could this user make any on the machine
            },
            queues: host.run_in(&["ipc"], &["cat", "/proc/sysvipc/msg"])?,
            hostname: host.hostname()?,
            groups: empty_groups()?,
        })
    }
}

fn names(directory: &Path) -> Result<BTreeSet<String>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The control groups of containers in which no process is, in all hierarchies, below the group that
/// we are in or beside it: other containers of the machine may start and end meanwhile.
fn empty_groups() -> Result<BTreeSet<PathBuf>> {
    let own = Process { pid: std::process::id() as i32 };
    let mounts = own.mounts()?.into_iter().filter(|mount| mount.fstype.starts_with("cgroup"));
    let paths: Vec<String> = own
        .file("cgroup")?
        .lines()
        .filter_map(|line| Some(line.splitn(3, ':').nth(2)?.into()))
        .collect();
    let mut found = BTreeSet::new();
    for mount in mounts {
        for path in
            paths.iter().map(|path| Path::new(&mount.point).join(path.trim_start_matches('/')))
        {
            for directory in [Some(path.as_path()), path.parent()]
                .into_iter()
                .flatten()
                .filter(|path| path.is_dir())
            {
                let own =
                    names(directory)?.into_iter().filter(|name| name.starts_with("container-"));
                found.extend(own.map(|name| directory.join(name)).filter(|group| is_empty(group)));
            }
        }
    }
    Ok(found)
}

fn is_empty(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty())
}

/// The machine before, and the processes that belong to this experiment: theirs is a rootfs that
/// nobody else has.
struct Watch {
    before: State,
    rootfs: HostPath,
}

impl Watch {
    fn new(step: &Step) -> Result<Self> {
        Ok(Watch { before: State::of(step)?, rootfs: step.host().copy_of_rootfs()? })
    }

    /// All is as before, after a moment.
    fn expect_nothing_left(&self, step: &Step) -> Result<()> {
        let _ = wait_until("all is gone", A_MOMENT, || {
            Ok(self.processes()?.is_empty() && self.left(step)?.is_none())
        });
        let left = self.processes()?;
        ensure!(left.is_empty(), "processes are left: {left:?}");
        let left = self.left(step)?;
        ensure!(left.is_none(), "left on the machine:\n{left:#?}\nbefore:\n{:#?}", self.before);
        Ok(())
    }

    /// What is there now, if it is not what was there before. Groups of others may have gone.
    fn left(&self, step: &Step) -> Result<Option<State>> {
        let mut now = State::of(step)?;
        now.groups = now.groups.difference(&self.before.groups).cloned().collect();
        let same = now.groups.is_empty()
            && now.mounts == self.before.mounts
            && now.links == self.before.links
            && now.queues == self.before.queues
            && now.hostname == self.before.hostname;
        Ok((!same).then_some(now))
    }

    /// Launchers have the rootfs among their arguments, payloads as their root.
    fn processes(&self) -> Result<Vec<Process>> {
        let (id, path) = (FileId::of(&self.rootfs.here)?, self.rootfs.arg());
        let mut left = harness::processes_with_argument(path);
        left.extend(
            Process::all()
                .into_iter()
                .filter(|process| process.root().is_ok_and(|root| root == id)),
        );
        Ok(left)
    }
}

fn leaves_nothing(number: usize, identity: Identity) -> Result<()> {
    let step = Step::new(number, identity)?;
    let watch = Watch::new(&step)?;
    let output = step.launch().rootfs(&watch.rootfs).output(&["sh", "-c", "sleep 30 & exit 7"])?;
    ensure!(output.code() == 7, "exit code {}: {}", output.code(), output.stderr);
    if number == 1 {
        watch.processes()?.iter().try_for_each(kill)?; // chapter 01 has nothing that would end what the payload began
    }
    watch.expect_nothing_left(&step)
}

/// The delays reach over the first 20 ms, in which every step has started its payload.
fn killed_while_starting(number: usize, identity: Identity) -> Result<()> {
    let step = Step::new(number, identity)?;
    let watch = Watch::new(&step)?;
    for round in 0..20 {
        let launch = step.launch().rootfs(&watch.rootfs);
        let mut launched = with_all(&step, launch).spawn(&["sleep", "30"])?;
        sleep(Duration::from_micros(round * 1000));
        launched.kill()?;
    }
    watch.expect_nothing_left(&step)
}

/// Where root starts it there is more to be left: a control group, and processes that are not
/// root's own.
fn with_all<'a>(step: &Step, launch: Launch<'a>) -> Launch<'a> {
    let range = "0:100000:65536";
    match step.identity {
        Identity::Root => {
            launch.option("--pids", "100").option("--uid-map", range).option("--gid-map", range)
        }
        Identity::User => launch,
    }
}

/// Every one runs at the same time as the others, and in the end nothing of all is left.
fn twenty_at_once(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let watch = Watch::new(&step)?;
    let launch = with_all(&step, step.launch().rootfs(&watch.rootfs));
    let launched: Result<Vec<Launched>> =
        (0..20).map(|_| launch.spawn(&["sh", "-c", "sleep 1; exit 7"])).collect();
    for mut launched in launched? {
        let output = launched.wait()?;
        ensure!(output.code() == 7, "exit code {}: {}", output.code(), output.stderr);
    }
    watch.expect_nothing_left(&step)
}

/// A learner's mistake: with a wrong number kill(2) means everybody.
fn kill_everybody(identity: Identity) -> Result<()> {
    for number in [0, 5] {
        let step = Step::new(number, identity)?;
        ensure!(step.host().has_own_processes(), "{} has the machine's processes", step.name());
        let mut bystander = Command::new("sleep").arg("30").spawn().context("run sleep")?;
        let mut victim = step.on_host().spawn(&["sleep", "30"])?;
        step.on_host().attempt(&["sh", "-c", "kill -KILL -1; kill -KILL 0"])?;
        let ended = victim.wait()?.code() == 128 + libc::SIGKILL;
        let spared = bystander.try_wait().context("waitpid")?.is_none();
        bystander.kill().and_then(|()| bystander.wait()).context("end the bystander")?;
        ensure!(ended, "it did not even reach the experiment");
        ensure!(spared, "it reached the machine");
    }
    Ok(())
}

/// As after a time-out: processes that left the launcher's session and ignore signals.
fn hangs(identity: Identity) -> Result<()> {
    let step = Step::new(0, identity)?;
    let token = format!("hangs-{}", step.host().process().pid);
    let stubborn = "trap '' TERM HUP INT; setsid sh -c 'sleep 30; :' $0 & sleep 30; :";
    let launched = step.on_host().spawn(&["sh", "-c", stubborn, &token])?;
    let count = || harness::processes_with_argument(&token).len();
    wait_until("two processes", A_MOMENT, || Ok(count() == 2))?;
    drop(launched);
    drop(step);
    wait_until("their end", A_MOMENT, || Ok(count() == 0))
}

/// As a fork bomb begins, and with an end to it should nobody notice.
fn multiplies(identity: Identity) -> Result<()> {
    let step = Step::new(0, identity)?;
    let token = format!("multiplies-{}", step.host().process().pid);
    let script = "for i in $(seq 700); do sh -c 'sleep 30; :' $0 & done; wait";
    match step.on_host().attempt(&["sh", "-c", script, &token]) {
        Err(error) if error.is::<Hangs>() && error.to_string().contains("starts processes") => {}
        other => anyhow::bail!("it was not noticed: {other:?}"),
    }
    drop(step);
    let count = || harness::processes_with_argument(&token).len();
    wait_until("their end", A_MOMENT, || Ok(count() == 0))
}

fn kill(process: &Process) -> Result<()> {
    let pid = nix::unistd::Pid::from_raw(process.pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)
        .with_context(|| format!("kill {}", process.pid))
}
