//! install-tools: behind `make deps`, installs what the course uses and this machine lacks.

use std::io::{IsTerminal, Write, stdin, stdout};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use common::Failure;
use tools::packages::Manager;
use tools::tools::{TOOLS, Tool};

/// Installs the programs that the course uses and this machine lacks
///
/// It shows the commands first, and where a person is typing it asks. Ends with 0 when nothing is
/// missing any more.
#[derive(clap::Parser)]
struct Args {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

fn main() -> ExitCode {
    common::run(|args: Args| {
        let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| !tool.is_here()).collect();
        let Some(manager) = Manager::here() else {
            return without_manager(&missing);
        };
        let (packaged, others): (Vec<&Tool>, Vec<&Tool>) =
            missing.into_iter().partition(|tool| tool.package(manager).is_some());
        others.iter().for_each(|tool| {
            println!("{}: no package; wanted by: {}", tool.names[0], tool.wanted_by)
        });
        if packaged.is_empty() {
            println!("Everything else is here.");
            return Ok(ExitCode::SUCCESS);
        }
        packaged.iter().for_each(|tool| {
            println!("{} is missing; wanted by: {}", tool.names[0], tool.wanted_by)
        });
        install(manager, &packaged, args.yes)
    })
}

fn without_manager(missing: &[&Tool]) -> Result<ExitCode> {
    if missing.is_empty() {
        println!("Everything is here.");
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<_> = missing.iter().map(|tool| tool.names[0]).collect();
    let failure = Failure::new("none of apt-get, dnf, pacman, apk and zypper is here");
    Err(failure
        .hint(format!("install these by the means of this system: {}", names.join(" ")))
        .into())
}

fn install(manager: Manager, missing: &[&Tool], yes: bool) -> Result<ExitCode> {
    let mut packages: Vec<_> = missing.iter().filter_map(|tool| tool.package(manager)).collect();
    packages.sort_unstable();
    packages.dedup();
    let (update, all) = (manager.update(), manager.install(&packages));
    println!("This is run now:");
    update.iter().chain([&all]).for_each(|command| println!("    {}", command.join(" ")));
    if !yes && !agreed()? {
        println!("Nothing was done.");
        return Ok(ExitCode::from(1));
    }
    // Lists that cannot be brought up to date may still be good enough.
    update.iter().try_for_each(|command| run(command).map(drop))?;
    if !run(&all)? && packages.len() > 1 {
        println!("Not all at once, then; each by itself:");
        packages.iter().try_for_each(|package| run(&manager.install(&[*package])).map(drop))?;
    }
    let left: Vec<_> =
        missing.iter().filter(|tool| !tool.is_here()).map(|tool| tool.names[0]).collect();
    println!(
        "{}",
        if left.is_empty() {
            "Everything is here now.".into()
        } else {
            format!("Still missing: {}", left.join(" "))
        }
    );
    Ok(ExitCode::from(u8::from(!left.is_empty())))
}

/// Only a person can be asked.
fn agreed() -> Result<bool> {
    if !stdin().is_terminal() {
        return Ok(true);
    }
    print!("Go on? [y/N] ");
    stdout().flush().context("write to standard output")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

fn run(command: &[&str]) -> Result<bool> {
    println!("$ {}", command.join(" "));
    let status = Command::new(command[0]).args(&command[1..]).status();
    Ok(status.with_context(|| format!("run {}", command[0]))?.success())
}
