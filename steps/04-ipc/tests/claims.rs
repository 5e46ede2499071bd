//! What chapter 04 claims, checked against the kernel.

use std::process::ExitCode;

use anyhow::Result;
use harness::{Step, chapter, introduces};
use nix::errno::Errno;

/// A key, or a name, that the host is asked for on both sides.
const KEY: &str = "1234567";
const NAME: &str = "/claims";

fn main() -> ExitCode {
    chapter(
        "04-ipc",
        vec![
            introduces("the container has an IPC namespace of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("IPC namespace of the payload", container.payload.ns("ipc")?)
                    .differs_from(step.host().ns("ipc")?)
            }),
            introduces("a System V queue of the host is not found inside", |step| {
                made_outside(step, "msgget", KEY)
            }),
            introduces("shared memory of the host is not found inside", |step| {
                made_outside(step, "shmget", KEY)
            }),
            introduces("a POSIX queue of the host is not found inside", |step| {
                made_outside(step, "mq_open", NAME)
            }),
            introduces("a System V queue made inside is not found on the host", |step| {
                made_inside(step, "msgget", KEY)
            }),
            introduces("shared memory made inside is not found on the host", |step| {
                made_inside(step, "shmget", KEY)
            }),
            introduces("a POSIX queue made inside is not found on the host", |step| {
                made_inside(step, "mq_open", NAME)
            }),
        ],
    )
}

fn made_outside(step: &Step, call: &str, name: &str) -> Result<()> {
    let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
    let made = step.try_call(&step.on_host(), &[&format!("{call}-create"), name])?;
    step.expect(format!("{call} outside, to make it"), made).equals(Ok(()))?;
    let there = step.try_call(&step.on_host(), &[call, name])?;
    step.expect(format!("{call} outside"), there).equals(Ok(()))?;
    step.expect(format!("{call} inside"), step.try_call(&inside, &[call, name])?)
        .equals(Err(Errno::ENOENT))
}

fn made_inside(step: &Step, call: &str, name: &str) -> Result<()> {
    let make = format!("try-call {call}-create {name}; echo $?; sleep 30");
    let launch = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
    let mut container = launch.start(&["sh", "-c", &make])?;
    step.expect(format!("{call} inside, to make it"), container.read_line()?).equals("0")?;
    let outside = step.try_call(&step.on_host(), &[call, name])?;
    step.expect(format!("{call} outside"), outside).equals(Err(Errno::ENOENT))
}
