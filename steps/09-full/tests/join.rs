//! What chapter 09 claims of a container that runs: it is found by name, joined, and reached
//! through a port.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Container, Identity, Output, Step, chapter, holds, introduces, wait_until};

const CONTAINERS: &str = env!("CARGO_BIN_EXE_containers");
const ENTER: &str = env!("CARGO_BIN_EXE_enter");

/// The address that --publish takes by itself, and a port that is free in every network an
/// experiment makes.
const LOOPBACK: &str = "127.0.0.1";
const PORT: &str = "4712";

/// The port on which `server` listens inside.
const PUBLISHED: &str = "4712:4711";

const GREETING: &str = "Received 25 bytes :hello from the other side";

fn main() -> ExitCode {
    chapter("09-full", [found(), joined(), reached(), in_background()].concat())
}

fn found() -> Vec<harness::Claim> {
    vec![
        introduces("a second container of the same name is refused", |step| {
            let _first = named(step)?;
            let second = step.launch().option("--name", "web").attempt(&["true"])?;
            step.expect("exit code", second.code()).equals(125)
        }),
        introduces("the name is free again with the container's end", |step| {
            drop(named(step)?);
            step.expect("names", names(step)?.len()).equals(0)?;
            let _again = named(step)?;
            step.expect("names", names(step)?).equals(["web"])
        }),
        introduces("two that run are listed, and one that was killed is not", |step| {
            let (mut first, _second) =
                (named(step)?, step.launch().option("--name", "db").start(&["sleep", "30"])?);
            step.expect("names", names(step)?).equals(["db", "web"])?;
            first.kill_launcher()?;
            let mut left = Vec::new();
            let _ = wait_until("the end", Duration::from_millis(100), || {
                left = names(step)?;
                Ok(left.len() == 1)
            });
            step.expect("names", left).equals(["db"])
        }),
        introduces("a name that a killed launcher left is taken at once", |step| {
            named(step)?.kill_launcher()?;
            let _again = named(step)?;
            step.expect("names", names(step)?).equals(["web"])
        }),
        introduces("a container is one line, whatever its command is called", |step| {
            let words = ["sh", "-c", "sleep 30; :", "\u{1b}[2J\nweb 1 root"];
            let _container = step.start(&words)?;
            let list = step.on_host().output(&[CONTAINERS])?.stdout;
            step.expect("lines", list.lines().count()).equals(2)?;
            step.expect("escape characters", list.matches('\u{1b}').count()).equals(0)
        }),
        holds("another user's name leads root nowhere, and the error names that user", |step| {
            let other = ["setpriv", "--reuid", "54322", "--regid", "54322", "--clear-groups"];
            let place = ["install", "-d", "-m", "700", "-o", "54322", "/run/user/54322"];
            step.on_host().output(&place)?;
            let (program, rootfs) = (beside(ENTER, "09-full"), step.host().copy_of_rootfs()?);
            let trees = rootfs.here.parent().context("no parent")?;
            fs::set_permissions(trees, Permissions::from_mode(0o755)).context("chmod")?; // that user has no other
            let start = [&program, "--name", "web", "--read-only", rootfs.arg(), "sleep", "30"];
            let mut theirs = step.on_host().spawn(&[other.as_slice(), &start].concat())?;
            wait_until("it runs", Duration::from_secs(5), || Ok(names(step)? == ["web"]))?;
            let entered = enter(step, &["true"])?;
            theirs.kill()?;
            step.expect("exit code", entered.code()).equals(125)?;
            step.expect("error", entered.stderr)
                .satisfies("user 54322", |error| error.contains("user 54322"))
        })
        .only(Identity::Root),
        introduces("without a name it has that of its launcher's number", |step| {
            let container = step.start(&["sleep", "30"])?;
            step.expect("names", names(step)?)
                .equals([format!("container-{}", step.host().number_of(container.launcher)?)])
        }),
        introduces("its address is shown before anything inside prints it", |step| {
            let _container =
                step.launch().option("--ip", "10.77.0.9/24").start(&["sleep", "30"])?;
            let list = step.on_host().output(&[CONTAINERS])?.stdout;
            step.expect("list", list).satisfies("10.77.0.9", |list| list.contains(" 10.77.0.9 "))
        }),
    ]
}

fn joined() -> Vec<harness::Claim> {
    vec![
        introduces("who enters is in all of the payload's namespaces", |step| {
            let container = named(step)?;
            for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
                let joined = enter(step, &["readlink", &format!("/proc/self/ns/{kind}")])?;
                step.expect(format!("{kind} namespace"), joined.line())
                    .equals(container.payload.ns(kind)?)?;
            }
            Ok(())
        }),
        introduces("who enters has the payload's capabilities, filter and groups", |step| {
            let container = named(step)?;
            let payload = *container.payload.ns_pids()?.last().context("no process id")?;
            // Both are seen from inside, where ids have other numbers.
            let status = |process: &str| -> Result<String> {
                Ok(enter(step, &["cat", &format!("/proc/{process}/status")])?.stdout)
            };
            let (joined, payload) = (status("self")?, status(&payload.to_string())?);
            for key in [
                "CapInh",
                "CapPrm",
                "CapEff",
                "CapBnd",
                "CapAmb",
                "NoNewPrivs",
                "Seccomp",
                "Groups",
            ] {
                let line = |status: &str| {
                    let mut lines = status.lines();
                    lines.find(|line| line.starts_with(&format!("{key}:"))).map(str::to_owned)
                };
                let payload = line(&payload).unwrap_or_else(|| format!("a payload's {key}"));
                step.expect(key, line(&joined)).equals(Some(payload))?;
            }
            Ok(())
        }),
        introduces("with another user, other capabilities or without the filter, too", |step| {
            let mut launch = step.launch().option("--name", "web").option("--seccomp", "off");
            launch = launch
                .option("--user", "0:0")
                .option("--cap-drop", "ALL")
                .option("--cap-add", "KILL");
            let _container = launch.start(&["sleep", "30"])?;
            let status = enter(step, &["cat", "/proc/self/status"])?.stdout;
            for line in [
                "Uid:\t0\t0\t0\t0",
                "CapBnd:\t0000000000000020",
                "CapEff:\t0000000000000020",
                "Seccomp:\t0",
            ] {
                step.expect(line, status.lines().any(|it| it == line)).equals(true)?;
            }
            Ok(())
        }),
        introduces("who enters is under the payload's limits", |step| {
            let container = step
                .launch()
                .option("--name", "web")
                .option("--pids", "20")
                .start(&["sleep", "30"])?;
            let joined = step.on_host().spawn(&[ENTER, "web", "sleep", "31"])?;
            let mut group = None;
            let _ = wait_until("it sleeps", Duration::from_secs(5), || {
                let child = joined.process().descendants().into_iter().find(|child| {
                    child.cmdline().is_ok_and(|cmdline| cmdline.starts_with(b"sleep\0"))
                });
                group = child.map(|child| child.file("cgroup")).transpose()?;
                Ok(group.is_some())
            });
            step.expect("its cgroups", group).equals(Some(container.payload.file("cgroup")?))
        })
        .only(Identity::Root),
        introduces("nothing of the caller's environment comes along", |step| {
            let _container = named(step)?;
            let environment =
                step.on_host().environment("SECRET", "1").attempt(&[ENTER, "web", "env"])?;
            step.expect("exit code", environment.code()).equals(0)?;
            step.expect("SECRET", environment.stdout.contains("SECRET")).equals(false)
        }),
        introduces("the exit codes are those of every step", |step| {
            let _container = named(step)?;
            let commands: [(i32, &[&str]); 4] = [
                (7, &["sh", "-c", "exit 7"]),
                (137, &["sh", "-c", "kill -9 $$"]),
                (127, &["nothing"]),
                (126, &["/etc"]),
            ];
            for (code, command) in commands {
                step.expect(command.join(" "), enter(step, command)?.code()).equals(code)?;
            }
            step.expect("usage", step.on_host().attempt(&[ENTER])?.code()).equals(2)
        }),
        holds("nobody enters another user's container", |step| {
            let container = named(step)?;
            let process_1 =
                container.launcher.descendants().into_iter().find(|child| child.ns("pid").is_ok());
            let process_1 = step.host().number_of(process_1.context("process 1")?)?.to_string();
            let other = ["setpriv", "--reuid", "54322", "--regid", "54322", "--clear-groups"];
            for which in ["web", &process_1] {
                let command = [other.as_slice(), &[ENTER, which, "true"]].concat();
                step.expect(which, step.on_host().attempt(&command)?.code()).equals(125)?;
            }
            Ok(())
        })
        .only(Identity::Root),
        holds("nobody enters a container that has ended", |step| {
            drop(named(step)?);
            step.expect("exit code", enter(step, &["true"])?.code()).equals(125)
        }),
    ]
}

fn reached() -> Vec<harness::Claim> {
    vec![
        introduces("a client on the host hears the server inside", |step| {
            let _container = published(step)?;
            step.expect("client", client(step)?.line()).equals(GREETING)
        }),
        introduces("fifty clients at once hear it", |step| {
            let _container = published(step)?;
            let clients: Result<Vec<_>> = (0..50)
                .map(|_| step.on_host().spawn(&[&beside(ENTER, "client"), LOOPBACK, PORT]))
                .collect();
            let mut clients = clients?;
            let heard = clients.iter_mut().map(|client| Ok(client.wait()?.line() == GREETING));
            let heard: Result<Vec<bool>> = heard.collect();
            step.expect("who heard it", heard?.into_iter().filter(|&heard| heard).count())
                .equals(50)
        }),
        introduces("a port that is taken is refused by its name", |step| {
            let _container = published(step)?;
            let second = step.launch().option("--publish", PUBLISHED).attempt(&["true"])?;
            step.expect("exit code", second.code()).equals(125)?;
            step.expect("error", second.stderr)
                .satisfies(LOOPBACK, |error| error.contains("127.0.0.1:4712"))
        }),
        introduces("the port is closed within two seconds of the launcher's SIGKILL", |step| {
            let mut container = published(step)?;
            step.expect("client before", client(step)?.code()).equals(0)?;
            container.kill_launcher()?;
            wait_until("the port is closed", Duration::from_secs(2), || {
                Ok(client(step)?.code() != 0)
            })
        }),
        holds("where nobody listens inside, the connection is closed", |step| {
            let _container =
                step.launch().option("--publish", PUBLISHED).start(&["sleep", "30"])?;
            step.expect("client", client(step)?.line())
                .satisfies("no greeting", |line| *line != GREETING)
        }),
    ]
}

fn in_background() -> Vec<harness::Claim> {
    vec![
        holds("a container in the background outlives its shell, until it is stopped", |step| {
            let launch = step.launch().option("--name", "bg").flag("--detach");
            let started = launch.attempt(&["sh", "-c", "echo said; exec sleep 30"])?;
            step.expect("printed", started.line()).equals("bg")?;
            step.expect("names", names(step)?).equals(["bg"])?;
            let _ = wait_until("it speaks", Duration::from_secs(2), || {
                Ok(containers(step, &["logs", "bg"])?.line() == "said")
            });
            step.expect("its log", containers(step, &["logs", "bg"])?.line()).equals("said")?;
            step.expect("stop", containers(step, &["stop", "bg"])?.code()).equals(0)?;
            step.expect("names", names(step)?.len()).equals(0)?;
            step.expect("wait", containers(step, &["wait", "bg"])?.code()).equals(143)
        }),
        holds("one that does not end by itself is killed", |step| {
            let launch = step.launch().option("--name", "bg").flag("--detach");
            let deaf = "trap '' TERM; echo deaf; while :; do sleep 1; done";
            launch.attempt(&["sh", "-c", deaf])?;
            wait_until("it is deaf", Duration::from_secs(5), || {
                Ok(containers(step, &["logs", "bg"])?.line() == "deaf")
            })?;
            step.expect("stop", containers(step, &["stop", "-t", "1", "bg"])?.code()).equals(0)?;
            step.expect("names", names(step)?.len()).equals(0)?;
            step.expect("wait", containers(step, &["wait", "bg"])?.code()).equals(137)
        }),
        holds(
            "a start that fails in the background has its exit code, and leaves no log",
            |step| {
                let launch = step.launch().option("--name", "bg").flag("--detach");
                step.expect("exit code", launch.attempt(&["nothing"])?.code()).equals(127)?;
                step.expect("logs", containers(step, &["logs", "bg"])?.code()).equals(125)
            },
        ),
        holds("what is kept of one that has ended is listed, and removed by name", |step| {
            let launch = step.launch().option("--name", "bg").flag("--detach");
            launch.attempt(&["sleep", "30"])?;
            step.expect("while it runs", containers(step, &["rm", "bg"])?.code()).equals(125)?;
            containers(step, &["stop", "bg"])?;
            let kept = containers(step, &["--disk"])?.stdout;
            step.expect("listed", kept.contains("log of bg")).equals(true)?;
            step.expect("removed", containers(step, &["rm", "bg"])?.code()).equals(0)?;
            let kept = containers(step, &["--disk"])?.stdout;
            step.expect("listed", kept.contains("log of bg")).equals(false)?;
            step.expect("again", containers(step, &["rm", "bg"])?.code()).equals(125)
        }),
        holds("what was stopped can be removed at once, however late its log is written", |step| {
            let launch = step.launch().option("--name", "bg").flag("--detach");
            launch.attempt(&["sleep", "30"])?;
            let script = format!(
                "parent() {{ ps -o ppid= -p $1 | tr -d ' '; }}
                 keeper=$(parent $(parent $({CONTAINERS} --json | sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p')))
                 kill -STOP $keeper; (sleep 0.5; kill -CONT $keeper) &
                 {CONTAINERS} stop bg && {CONTAINERS} rm bg"
            );
            let stopped = step.on_host().attempt(&["sh", "-c", &script])?;
            step.expect("stop and rm", stopped.code()).equals(0)
        }),
        introduces("a log is at most two mebibytes, and ends with its last output", |step| {
            let launch = step.launch().option("--name", "bg").flag("--detach");
            let say = "sleep 1; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); \
                       echo $i 3456789 123456789 123456789 123456789 123456789; done";
            launch.attempt(&["sh", "-c", say])?;
            step.expect("wait", containers(step, &["wait", "bg"])?.code()).equals(0)?;
            let log = containers(step, &["logs", "bg"])?.stdout;
            step.expect("bytes", log.len())
                .satisfies("1 to 2 MiB", |length| (1 << 20..=2 << 20).contains(length))?;
            let last = log.lines().last().unwrap_or_default().split(' ').next();
            step.expect("last line", last).equals(Some("60000"))
        }),
    ]
}

fn containers(step: &Step, words: &[&str]) -> Result<Output> {
    step.on_host().attempt(&[&[CONTAINERS], words].concat())
}

fn named(step: &Step) -> Result<Container> {
    step.launch().option("--name", "web").start(&["sleep", "30"])
}

fn published(step: &Step) -> Result<Container> {
    let mut container = step.launch().option("--publish", PUBLISHED).start(&["server"])?;
    container.read_line().context("the server listens")?;
    Ok(container)
}

/// The first column of the list, without its heading.
fn names(step: &Step) -> Result<Vec<String>> {
    let list = step.on_host().output(&[CONTAINERS])?.stdout;
    Ok(list
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect())
}

fn enter(step: &Step, command: &[&str]) -> Result<Output> {
    step.on_host().attempt(&[&[ENTER, "web"], command].concat())
}

/// A program of an earlier chapter.
fn beside(program: &str, name: &str) -> String {
    Path::new(program).with_file_name(name).display().to_string()
}

fn client(step: &Step) -> Result<Output> {
    step.on_host().attempt(&[&beside(ENTER, "client"), LOOPBACK, PORT])
}
