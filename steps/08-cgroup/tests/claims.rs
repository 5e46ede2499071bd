//! What chapter 08 claims, checked against the kernel.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fs, iter};

use anyhow::{Context, Result};
use harness::{
    Container, Identity, Launch, Process, Step, chapter, holds, introduces, skip, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn main() -> ExitCode {
    chapter(
        "08-cgroup",
        vec![
            introduces("the container has a cgroup namespace of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("cgroup namespace of the payload", container.payload.ns("cgroup")?)
                    .differs_from(step.host().ns("cgroup")?)
            }),
            introduces("0.8 CPUs are 80 ms of every 100", |step| {
                let container = limited(step, "--cpus", "0.8")?.start(&["sleep", "30"])?;
                let quota = setting(&container, "cpu", "cpu.cfs_quota_us", "cpu.max")?;
                step.expect("quota", quota).satisfies("80000", |quota| quota.starts_with("80000"))
            })
            .only(Identity::Root),
            introduces("two busy threads get 0.8 CPUs", |step| {
                let container =
                    limited(step, "--cpus", "0.8")?.start(&["cpu-hog", "2", "--seconds", "30"])?;
                sleep(Duration::from_millis(500));
                let cpus = cpus_used(container.payload, Duration::from_secs(2))?;
                drop(container);
                if !step.has("--cpus")? && cpus <= 0.85 && harness::cpus_are_taken()? {
                    return skip("other processes take the CPUs, so that no limit is to be seen");
                }
                step.expect("CPUs used", cpus).satisfies("at most 0.85", |cpus| *cpus <= 0.85)
            })
            .only(Identity::Root),
            introduces("the limit of memory is the kernel's", |step| {
                let container = limited(step, "--memory", "32M")?.start(&["sleep", "30"])?;
                let bytes = setting(&container, "memory", "memory.limit_in_bytes", "memory.max")?;
                step.expect("limit", bytes).equals("33554432")
            })
            .only(Identity::Root),
            introduces("who takes 64 MiB of 32 is killed", |step| {
                let output = limited(step, "--memory", "32M")?.output(&["mem-hog", "64M"])?;
                step.expect("exit code", output.code()).equals(128 + libc::SIGKILL)
            })
            .only(Identity::Root),
            introduces("with 5 processes allowed there are never more", |step| {
                let forks = "for i in 1 2 3 4 5 6 7 8; do sleep 30 & done; echo; wait";
                let mut container = limited(step, "--pids", "5")?.start(&["bash", "-c", forks])?;
                // The shell goes on trying for a while and then gives up; how many it got is what
                // counts.
                let most = iter::repeat_with(|| container.launcher.descendants().len()).take(20);
                let most = most.inspect(|_| sleep(Duration::from_millis(20))).max();
                let cleaner = usize::from(step.has("--pids")?); // the second process outside
                container.kill_launcher()?;
                step.expect("processes", most.map(|most| most - cleaner))
                    .satisfies("at most 5", |most| *most <= Some(5))
            })
            .only(Identity::Root),
            holds("the payload sees its own group as the top of the tree", |step| {
                let output =
                    limited(step, "--memory", "32M")?.output(&["cat", "/proc/self/cgroup"])?;
                let elsewhere = output.stdout.lines().filter(|line| !line.ends_with(":/")).count();
                step.expect("other paths", elsewhere).equals(0)
            })
            .only(Identity::Root),
            holds("inside, the container's groups are there and can only be read", |step| {
                let container = limited(step, "--pids", "50")?.start(&["sleep", "30"])?;
                let mut trees = container.payload.mounts()?;
                trees.retain(|mount| mount.fstype.starts_with("cgroup"));
                let writable = |options: &str| options.split(',').next() != Some("ro");
                let options: Vec<String> = trees.into_iter().map(|tree| tree.options).collect();
                step.expect("options of the mounts", options).satisfies("ro", |all| {
                    !all.is_empty() && !all.iter().any(|options| writable(options))
                })
            })
            .only(Identity::Root),
            holds(
                "on v1 a limit is seen together with all trees by which a JVM sizes itself",
                |step| {
                    let container = limited(step, "--memory", "64M")?.start(&["sleep", "30"])?;
                    let trees = container.payload.mounts()?;
                    if !trees.iter().any(|mount| mount.fstype == "cgroup") {
                        return skip("the controllers are in one tree, of v2");
                    }
                    for controller in ["cpu", "cpuacct", "cpuset", "memory"] {
                        let shows = |options: &str| options.split(',').any(|it| it == controller);
                        let shown = trees.iter().any(|mount| shows(&mount.options));
                        step.expect(controller, shown).equals(true)?;
                        let group = group(container.payload, controller)?;
                        step.expect("its own group", group.exists()).equals(true)?;
                    }
                    Ok(())
                },
            )
            .only(Identity::Root),
            holds("the group is gone with the container", |step| {
                let mut container = limited(step, "--pids", "50")?.start(&["sleep", "30"])?;
                let group = group(container.payload, "pids")?;
                step.expect("the group", group.exists()).equals(true)?;
                container.kill_launcher()?;
                wait_until("the group goes", Duration::from_secs(2), || Ok(!group.exists()))
            })
            .only(Identity::Root),
            holds("a killed container does not need its quota to die", |step| {
                let crowd = "for i in $(seq 400); do sleep 60 & done; echo all; wait";
                let mut container = limited(step, "--cpus", "1")?.start(&["bash", "-c", crowd])?;
                container.read_line()?;
                let group = group(container.payload, "cpu")?;
                // One millisecond in a hundred: a death takes a tenth of one.
                for (file, value) in [("cpu.cfs_quota_us", "1000"), ("cpu.max", "1000 100000")] {
                    if group.join(file).exists() {
                        fs::write(group.join(file), value).context("lower the quota")?;
                    }
                }
                container.kill_launcher()?;
                wait_until("all of it is gone", Duration::from_secs(2), || Ok(!group.exists()))
            })
            .only(Identity::Root),
            holds("where clone3(2) is hidden the child enters its group itself", |step| {
                let launch = limited(step, "--pids", "50")?.injecting(&["clone3=ENOSYS"]);
                let container = launch.start(&["sleep", "30"])?;
                step.expect("limit", setting(&container, "pids", "pids.max", "pids.max")?)
                    .equals("50")
            })
            .only(Identity::Root),
            holds("the group is gone also where close_range(2) is not there", |step| {
                let launch = limited(step, "--pids", "50")?.injecting(&["close_range=ENOSYS"]);
                let mut container = launch.start(&["sleep", "30"])?;
                let group = group(container.payload, "pids")?;
                container.kill_launcher()?;
                wait_until("the group goes", Duration::from_secs(2), || Ok(!group.exists()))
            })
            .only(Identity::Root),
            holds(
                "the next start removes a group whose launcher took its cleaner with it",
                |step| {
                    limited(step, "--pids", "50")?;
                    let rootfs = step.host().rootfs()?;
                    let start = [env!("CARGO_BIN_EXE_08-cgroup"), "--pids", "50"];
                    let unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
                    let payload = [rootfs.there.to_str().context("path")?, "sleep", "30"];
                    let first = step.on_host().spawn(&[&unshare, &start[..], &payload].concat())?;
                    let mut found = None;
                    wait_until("the payload", Duration::from_secs(5), || {
                        let all = first.process().descendants();
                        let sleeps = |it: &Process| {
                            it.cmdline().is_ok_and(|words| words.starts_with(b"sleep\0"))
                        };
                        found = all.first().copied().zip(all.iter().copied().find(sleeps));
                        Ok(found.is_some())
                    })?;
                    let (launcher, payload) = found.context("no payload")?;
                    let group = group(payload, "pids")?;
                    limited(step, "--pids", "50")?; // while its launcher lives the group stays
                    step.expect("the group of a running container", group.exists()).equals(true)?;
                    kill(Pid::from_raw(launcher.pid), Signal::SIGKILL)?;
                    // Any start removes it from now on, also one of another experiment.
                    sleep(Duration::from_millis(200));
                    limited(step, "--pids", "50")?;
                    step.expect("the abandoned group, after the next start", group.exists())
                        .equals(false)
                },
            )
            .only(Identity::Root),
            holds("more processes than the kernel can count are refused in words", |step| {
                let output = step.launch().option("--pids", "4294967295").attempt(&["true"])?;
                step.expect("exit code", output.code()).equals(2)?;
                step.expect("the error", output.stderr)
                    .satisfies("with the limit", |error| error.contains("4194304"))
            }),
            holds("without limits nobody needs a cgroup", |step| {
                step.expect("exit code", step.output(&["true"])?.code()).equals(0)
            }),
            holds("a limit that cannot be set is refused, not ignored", |step| {
                let launch = step.launch().option("--pids", "50");
                match launch.attempt(&["true"])?.code() {
                    0 => {
                        let container = launch.start(&["sleep", "30"])?;
                        step.expect("limit", setting(&container, "pids", "pids.max", "pids.max")?)
                            .equals("50")
                    }
                    code => step.expect("exit code", code).equals(125),
                }
            }),
        ],
    )
}

/// A start with a limit, where this machine lets the caller set it.
fn limited<'step>(step: &'step Step, option: &str, value: &str) -> Result<Launch<'step>> {
    let launch = step.launch().option(option, value);
    if launch.limits_are_refused()? {
        return skip(format!("{option} cannot be set here by who runs the tests"));
    }
    step.expect("exit code of true", launch.attempt(&["true"])?.code()).equals(0)?;
    Ok(launch)
}

/// The group of a process in the hierarchy of `controller`, as a directory of the machine.
fn group(process: Process, controller: &str) -> Result<PathBuf> {
    let table = process.file("cgroup")?;
    let fields = |line: &str| line.splitn(3, ':').map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = table.lines().map(fields).collect();
    let bound = |line: &&Vec<String>| line[1].split(',').any(|name| name == controller);
    let (line, v1) = match lines.iter().find(bound) {
        Some(line) => (line, true),
        None => (lines.iter().find(|line| line[0] == "0").context("no cgroup v2")?, false),
    };
    let mounts = Process { pid: std::process::id() as i32 }.file("mountinfo")?;
    let mount = mounts.lines().find(|mount| match mount.split_once(" - ") {
        Some((_, tail)) if v1 => {
            tail.starts_with("cgroup ") && tail.split(',').any(|option| option == controller)
        }
        Some((_, tail)) => tail.starts_with("cgroup2 "),
        None => false,
    });
    let top =
        mount.and_then(|mount| mount.split(' ').nth(4)).context("the hierarchy is not mounted")?;
    Ok(Path::new(top).join(line[2].trim_start_matches('/')))
}

fn setting(container: &Container, controller: &str, v1: &str, v2: &str) -> Result<String> {
    let group = group(container.payload, controller)?;
    let file = [v1, v2].map(|file| group.join(file)).into_iter().find(|file| file.exists());
    // The top of the tree has no such file: nothing is limited there.
    Ok(file.map_or(Ok("none".into()), fs::read_to_string)?.trim_end().to_owned())
}

/// The CPU time of all threads of a process over `time`, in CPUs.
fn cpus_used(process: Process, time: Duration) -> Result<f64> {
    let (begin, before) = (Instant::now(), ticks(process)?);
    sleep(time);
    let used = (ticks(process)? - before) as f64 / 100.0; // USER_HZ, proc(5)
    Ok(used / begin.elapsed().as_secs_f64())
}

/// utime and stime in /proc/PID/stat: the 12th and 13th field behind the name in parentheses.
fn ticks(process: Process) -> Result<u64> {
    let stat = process.file("stat")?;
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().context("ticks"))
        .sum()
}
