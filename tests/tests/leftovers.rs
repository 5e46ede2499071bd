//! What a container leaves on the machine: nothing. One test at a time, for they look at the
//! machine as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{
    FileId, HostPath, Identity, Launch, Launched, Process, STEPS, Step, suite, test, wait_until,
};
use libtest_mimic::Trial;

/// The kernel takes a moment: a link goes 50 ms after the last process of its namespace, and a
/// process 1 that reaps orphans only now and then may leave zombies for a second or two.
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
        tests.push(test("twenty at once do not disturb each other", identity, move || {
            twenty_at_once(identity)
        }));
    }
    suite(tests, true)
}

/// What is on the machine that a container could have left.
#[derive(Debug, PartialEq)]
struct State {
    mounts: String,
    links: BTreeSet<String>,
    groups: BTreeSet<PathBuf>,
    queues: String,
    hostname: String,
}

impl State {
    fn now() -> Result<Self> {
        let own = Process { pid: std::process::id() as i32 };
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
        Ok(State {
            mounts: own.file("mountinfo")?,
            links: names(Path::new("/sys/class/net"))?,
            groups: groups()?,
            queues: read("/proc/sysvipc/msg")?,
            hostname: read("/proc/sys/kernel/hostname")?,
        })
    }
}

fn names(directory: &Path) -> Result<BTreeSet<String>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The control groups of containers, in all hierarchies, below the group that we are in or beside
/// it.
fn groups() -> Result<BTreeSet<PathBuf>> {
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
                found.extend(own.map(|name| directory.join(name)));
            }
        }
    }
    Ok(found)
}

/// The machine before, and the processes that belong to this experiment: theirs is a rootfs that
/// nobody else has.
struct Watch {
    before: State,
    mounts_of_host: String,
    rootfs: HostPath,
}

impl Watch {
    fn new(step: &Step) -> Result<Self> {
        let rootfs = step.host().copy_of_rootfs()?;
        let mounts_of_host = step.host().process().file("mountinfo")?;
        Ok(Watch { before: State::now()?, mounts_of_host, rootfs })
    }

    /// All is as before, after a moment.
    fn expect_nothing_left(&self, step: &Step) -> Result<()> {
        let _ = wait_until("all is gone", A_MOMENT, || {
            Ok(self.processes()?.is_empty()
                && State::now()? == self.before
                && self.mount_changes(step)?.is_empty())
        });
        let left = self.processes()?;
        ensure!(left.is_empty(), "processes are left: {left:?}");
        let (now, mounts) = (State::now()?, self.mount_changes(step)?);
        ensure!(now == self.before, "left on the machine:\n{now:#?}\nbefore:\n{:#?}", self.before);
        ensure!(mounts.is_empty(), "left in the mount table: {mounts:?}");
        Ok(())
    }

    fn mount_changes(&self, step: &Step) -> Result<Vec<String>> {
        step.host().mount_changes(&self.mounts_of_host)
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
    let step = Step::on_machines_network(number, identity)?;
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
    let step = Step::on_machines_network(number, identity)?;
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
    let step = Step::on_machines_network(STEPS.len(), identity)?;
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

fn kill(process: &Process) -> Result<()> {
    let pid = nix::unistd::Pid::from_raw(process.pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)
        .with_context(|| format!("kill {}", process.pid))
}
