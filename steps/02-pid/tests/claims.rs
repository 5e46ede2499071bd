//! What chapter 02 claims, checked against the kernel.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use harness::{Step, chapter, holds, introduces, processes_with_argument, wait_until};

const TWO_SECONDS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    chapter(
        "02-pid",
        vec![
            introduces("the container has a PID namespace of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("PID namespace of the payload", container.payload.ns("pid")?)
                    .differs_from(step.host().ns("pid")?)
            }),
            introduces("the payload is process 1", |step| {
                let container = step.start(&["sleep", "30"])?;
                let numbers = container.payload.ns_pids()?;
                step.expect("the payload's innermost number (NSpid)", numbers.last().copied())
                    .equals(Some(1))
            }),
            introduces("the payload has no parent that it could see", |step| {
                let output = step.output(&["sh", "-c", "echo $$ $PPID"])?;
                step.expect("$$ and $PPID", output.line()).equals("1 0")
            }),
            introduces("a process of the host cannot be signalled", |step| {
                let target = step.on_host().start(&["sleep", "30"])?;
                let number = step.host().number_of(target.payload)?;
                let attempt = step.output(&["sh", "-c", &format!("kill -0 {number}")])?;
                step.expect("the process on the host runs", target.payload.runs()).equals(true)?;
                step.expect("kill -0 from inside succeeds", attempt.status.success()).equals(false)
            }),
            holds("the payload dies with its launcher", |step| {
                let mut container = step.start(&["sleep", "30"])?;
                container.kill_launcher()?;
                wait_until("the end of the payload", TWO_SECONDS, || {
                    Ok(!container.payload.runs())
                })?;
                step.expect("the payload runs", container.payload.runs()).equals(false)
            }),
            holds(
                "nothing is left of a launcher that is killed while it starts",
                killed_while_starting,
            ),
            holds("where clone3(2) is hidden it does with clone(2)", |step| {
                let container =
                    step.launch().injecting(&["clone3=ENOSYS"]).start(&["sleep", "30"])?;
                let numbers = container.payload.ns_pids()?;
                step.expect("the payload's innermost number (NSpid)", numbers.last().copied())
                    .equals(Some(1))
            }),
            holds("a payload that is killed shows in the exit code", |step| {
                let mut container = step.start(&["sleep", "30"])?;
                container.signal_payload(libc::SIGKILL)?;
                step.expect("exit code", container.wait()?.code()).equals(128 + 9)
            }),
            holds("the exit code arrives where the launcher's parent ignores SIGCHLD", |step| {
                let output =
                    step.launch().ignoring(&[libc::SIGCHLD]).output(&["sh", "-c", "exit 7"])?;
                step.expect("exit code", output.code()).equals(7)
            }),
        ],
    )
}

/// The payload has an argument that no other process has, and the delays reach from before clone3
/// to after execve.
fn killed_while_starting(step: &Step) -> Result<()> {
    for round in 0..20 {
        let token = format!("token-{}-{round}", step.host().process().pid);
        let mut launched = step.launch().spawn(&["sh", "-c", "sleep 30; :", &token])?;
        sleep(Duration::from_micros(round * 200));
        launched.kill()?;
        let left = || processes_with_argument(&token);
        wait_until("the end of all its processes", TWO_SECONDS, || Ok(left().is_empty()))?;
    }
    Ok(())
}
