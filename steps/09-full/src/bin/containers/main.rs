//! containers: which containers run, where, since when, and with what; and what is done with those
//! in the background.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use full::reach::{log, running, signals};
use nix::sys::signal::Signal;

mod disk;
mod row;
mod table;

use row::Row;

/// Lists the containers that run: yours, and for root those of every user
///
/// CPU, MEMORY and PIDS are used/limit; what was started without a limit is not counted separately,
/// and shown as -.
#[derive(clap::Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    /// Print the list as JSON, for programs
    #[arg(long)]
    json: bool,

    /// List what your containers keep on disk: layers, and logs of those in the background
    #[arg(long, conflicts_with = "json")]
    disk: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print what a container in the background has printed
    Logs {
        /// Go on until it ends
        #[arg(short, long)]
        follow: bool,
        /// The container's name; it may have ended
        name: String,
    },
    /// Ask a container to end (SIGTERM), and kill it if it does not
    Stop {
        /// Seconds until it is killed
        #[arg(short, long, default_value_t = 10)]
        time: u16,
        /// The container's name, or the number of its process 1: root may stop other users'
        /// containers, by number
        #[arg(value_name = "NAME|PID")]
        container: String,
    },
    /// Send a signal to a container's payload
    Kill {
        /// The signal's name or number; SIGKILL ends the whole container
        #[arg(short, long, default_value = "KILL", value_parser = signal)]
        signal: Signal,
        /// The container's name, or the number of its process 1
        #[arg(value_name = "NAME|PID")]
        container: String,
    },
    /// Remove the log and the exit code of a container in the background that has ended
    Rm {
        /// The container's name
        name: String,
    },
    /// Wait until a container has ended, and end with its exit code
    Wait {
        /// The container's name; it may have ended
        name: String,
    },
}

fn main() -> ExitCode {
    common::run(|args: Args| match args.command {
        None if args.disk => {
            print!("{}", disk::list()?);
            Ok(ExitCode::SUCCESS)
        }
        None => list(args.json).map(|()| ExitCode::SUCCESS),
        Some(Command::Logs { follow, name }) => {
            log::print(&name, follow, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Stop { time, container }) => {
            let patience = Duration::from_secs(time.into());
            signals::stop(&running::find(&container)?, patience).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Kill { signal, container }) => {
            signals::send(&running::find(&container)?, signal).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Rm { name }) => log::forget(&name).map(|()| ExitCode::SUCCESS),
        Some(Command::Wait { name }) => Ok(log::wait(&name)?.unwrap_or(0).into()),
    })
}

fn signal(text: &str) -> Result<Signal, String> {
    let number = text.parse::<i32>().ok().and_then(|number| Signal::try_from(number).ok());
    let name = || format!("SIG{}", text.trim_start_matches("SIG")).parse().ok();
    number.or_else(name).ok_or("a signal's name or number, as TERM or 15: `kill -l`".into())
}

fn list(json: bool) -> Result<()> {
    // A container that ends while it is looked at is not shown.
    let mut rows: Vec<Row> =
        running::all()?.iter().filter_map(|container| Row::new(container).ok()).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name).then(a.pid.cmp(&b.pid)));
    for name in running::elsewhere() {
        common::print_stderr(&format!("{name} runs in another PID namespace, and is not shown"));
    }
    let text = match json {
        true => format!("{}\n", serde_json::to_string_pretty(&rows)?),
        false => table::of(&rows),
    };
    io::stdout().write_all(text.as_bytes()).context("write to standard output")
}
