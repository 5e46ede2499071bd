//! What the extensions of chapter 02 claim. The course's step fails them; `make check-02` runs them
//! while such an exercise is open.

use std::process::ExitCode;
use std::time::Duration;

use harness::{Output, chapter, holds, processes_with_argument, wait_until};

fn main() -> ExitCode {
    chapter(
        "02-pid",
        vec![
            holds("with --show-pid the launcher prints the numbers of the first process", |step| {
                let output = step.launch().flag("--show-pid").output(&["sleep", "0.1"])?;
                step.expect("standard error", output.stderr)
                    .satisfies("a line that begins with NSpid:", |text| {
                        text.lines().any(|line| line.starts_with("NSpid:"))
                    })
            }),
            holds("the last of them is 1, and the first is not", |step| {
                let output = step.launch().flag("--show-pid").output(&["sleep", "0.1"])?;
                step.expect("NSpid", numbers(&output)).satisfies("N … 1", |numbers| {
                    numbers.len() > 1 && numbers[0] != 1 && numbers.last() == Some(&1)
                })
            }),
            holds("without --show-pid nothing is printed", |step| {
                let output = step.output(&["sleep", "0.1"])?;
                step.expect("standard error", output.stderr).equals("")
            }),
            holds(
                "with --timeout a payload that takes too long is ended, with exit code 124",
                |step| {
                    let output = step.launch().option("--timeout", "1").output(&["sleep", "3"])?;
                    step.expect("exit code", output.code()).equals(124)
                },
            ),
            holds("with --timeout the container is gone afterwards", |step| {
                let token = format!("timeout-{}", step.host().process().pid);
                let payload = ["sh", "-c", "sleep 3 & sleep 3; :", &token];
                step.launch().option("--timeout", "1").output(&payload)?;
                let left = || Ok(processes_with_argument(&token).is_empty());
                wait_until("the end of all its processes", Duration::from_secs(2), left)?;
                let output = step.launch().option("--timeout", "1").output(&["sleep", "3"])?;
                step.expect("exit code", output.code()).equals(124)
            }),
            holds("with --timeout a payload that ends in time keeps its exit code", |step| {
                let launch = step.launch().option("--timeout", "9");
                step.expect("the step has --timeout", step.has("--timeout")?).equals(true)?;
                step.expect("exit code", launch.output(&["sh", "-c", "exit 7"])?.code()).equals(7)
            }),
        ],
    )
}

/// The words behind `NSpid:`.
fn numbers(output: &Output) -> Vec<i32> {
    let line = output.stderr.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let words = line.unwrap_or_default().split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}
