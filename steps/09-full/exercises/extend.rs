//! What the extensions of chapter 09 claim. The course's step fails them; `make check-09` runs them
//! while such an exercise is open.

use std::process::ExitCode;

use anyhow::{Context, Result};
use harness::{Process, chapter, holds};

fn main() -> ExitCode {
    chapter(
        "09-full",
        vec![
            holds("with --nofile both limits of open files are that", |step| {
                let container = step.launch().option("--nofile", "64").start(&["sleep", "30"])?;
                step.expect("Max open files", open_files(container.payload)?).equals("64 64")
            }),
            holds("with --nofile a payload that opens more is refused", |step| {
                let script = "if { : 9< /dev/null; } 2> /dev/null; then echo opened; fi";
                let launch = step.launch().option("--nofile", "9");
                let output = launch.output(&["bash", "-c", script])?;
                step.expect("standard output", output.stdout).equals("")
            }),
            holds("without --nofile the limits are the launcher's", |step| {
                let container = step.start(&["sleep", "30"])?;
                let outside = open_files(container.launcher)?;
                step.expect("Max open files", open_files(container.payload)?).equals(outside)
            }),
        ],
    )
}

/// The soft and the hard limit.
fn open_files(process: Process) -> Result<String> {
    let limits = process.file("limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let words = line.context("no Max open files")?.split_whitespace().take(2);
    Ok(words.collect::<Vec<_>>().join(" "))
}
