//! containers: which containers run, where, since when, and with what.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use full::reach::running;

mod row;
mod table;

use row::Row;

/// Lists the containers that run: yours, and for root those of every user
///
/// CPU, MEMORY and PIDS are used/limit; what was started without a limit is not counted separately,
/// and shown as -.
#[derive(clap::Parser)]
struct Args {
    /// Print the list as JSON, for programs
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::run(|args: Args| list(args.json))
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
