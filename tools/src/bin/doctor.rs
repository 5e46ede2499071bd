//! doctor: whether the course can be followed on this machine.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use nix::sys::signal::{SigHandler, Signal, signal};
use tools::doctor::{Report, examine, network};

/// Reports chapter by chapter what this machine allows, and the command that repairs the rest
///
/// It starts the steps with an empty root filesystem, and changes nothing on the machine. Ends with
/// 0 when all nine chapters can be followed here, else with 1.
#[derive(clap::Parser)]
struct Args {
    /// Print the report for a program
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::run(|args: Args| network::apart(|connect| print(&examine(connect)?, args.json)))
}

fn print(report: &Report, json: bool) -> Result<ExitCode> {
    let text = if json { serde_json::to_string_pretty(report)? + "\n" } else { report.page() };
    // SAFETY: SIG_DFL runs no code. Rust's runtime ignores SIGPIPE, and the reader may have ended:
    // make doctor | head.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.context("signal SIGPIPE")?;
    stdout().write_all(text.as_bytes()).context("write to standard output")?;
    Ok(if report.followable { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
