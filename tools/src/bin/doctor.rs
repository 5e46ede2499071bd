//! doctor: whether the course can be followed on this machine.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::sys::signal::{SigHandler, Signal, signal};
use tools::doctor::trial::Trial;
use tools::doctor::{Report, examine};

/// Tells chapter by chapter what this machine allows, and what mends the rest
///
/// It changes nothing: what can be tried is tried in children that have namespaces of their own.
/// Ends with 0 when all nine chapters can be followed here, else with 1.
#[derive(clap::Parser)]
struct Args {
    /// Tell it to a program
    #[arg(long)]
    json: bool,

    /// Make a single trial, and end as the step would: 01 to 09, bridge, ids, cpu, memory, pids
    #[arg(long = "try", value_name = "TRIAL")]
    trial: Option<Trial>,
}

fn main() -> ExitCode {
    common::run(|args: Args| match args.trial {
        Some(trial) => trial.make(),
        None => tell(&examine(), args.json),
    })
}

fn tell(report: &Report, json: bool) -> Result<ExitCode> {
    let text = if json { serde_json::to_string_pretty(report)? + "\n" } else { report.page() };
    // SAFETY: SIG_DFL runs no code. Rust's runtime ignores SIGPIPE, and nobody may be reading on:
    // make doctor | head.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.context("signal SIGPIPE")?;
    stdout().write_all(text.as_bytes()).context("write to standard output")?;
    Ok(if report.followable { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
