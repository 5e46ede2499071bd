//! What the extensions of chapter 04 claim. The course's step fails them; `make check-04` runs them
//! while such an exercise is open.

use std::process::ExitCode;

use anyhow::Result;
use harness::{Output, Step, chapter, holds};

const KEY: &str = "7654321";

fn main() -> ExitCode {
    chapter(
        "04-ipc",
        vec![
            holds("what is given can be taken, once", |step| {
                step.expect("exit code of give", on_host(step, "give")?.code()).equals(0)?;
                step.expect("exit code of take", on_host(step, "take")?.code()).equals(0)?;
                let again = on_host(step, "take")?;
                step.expect("standard error of a second take", again.stderr)
                    .satisfies("EAGAIN", |text| text.contains("Resource temporarily unavailable"))
            }),
            holds("what the host gave cannot be taken inside", |step| {
                step.expect("exit code of give", on_host(step, "give")?.code()).equals(0)?;
                let inside = inside(step, &format!("queue take {KEY}; echo $?"))?;
                step.expect("exit code of take inside, in words", inside.line() == "0")
                    .equals(false)?;
                step.expect("exit code of take", on_host(step, "take")?.code()).equals(0)
            }),
            holds("what was given inside can be taken there", |step| {
                let inside =
                    inside(step, &format!("queue give {KEY} && queue take {KEY}; echo $?"))?;
                step.expect("exit code of give and take", inside.line()).equals("0")
            }),
        ],
    )
}

fn on_host(step: &Step, action: &str) -> Result<Output> {
    step.on_host().attempt(&[env!("CARGO_BIN_EXE_queue"), action, KEY])
}

/// In a container that has this very program.
fn inside(step: &Step, script: &str) -> Result<Output> {
    let rootfs = step.host().rootfs_with("queue")?;
    step.launch().rootfs(&rootfs).output(&["sh", "-c", script])
}
