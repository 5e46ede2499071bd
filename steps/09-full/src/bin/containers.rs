//! containers: which containers run on this machine, where, since when, and with what.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use full::reach::groups::Groups;
use full::reach::running::{self, Container};
use nix::unistd::{Uid, User};

/// Lists the containers that run: all that were started in this network namespace, by whomever
///
/// CPU, MEMORY and PIDS are used/limit; what was started without a limit is not counted apart, and
/// shown as -.
#[derive(clap::Parser)]
struct Args {}

const HEADINGS: [&str; 9] =
    ["NAME", "PID", "USER", "ADDRESS", "RUNNING", "CPU", "MEMORY", "PIDS", "COMMAND"];

fn main() -> ExitCode {
    common::run(|_: Args| {
        // One that ends while it is looked at is not shown.
        let mut rows: Vec<_> =
            running::all()?.filter_map(|container| row(&container).ok()).collect();
        rows.sort();
        io::stdout().write_all(table(&rows).as_bytes()).context("write to standard output")
    })
}

fn row(container: &Container) -> Result<[String; 9]> {
    let groups = Groups::own(container)?;
    let user = User::from_uid(Uid::from_raw(container.owner)).ok().flatten();
    let (memory, pids) = (groups.memory(), groups.pids());
    Ok([
        container.name.clone(),
        container.init.pid.to_string(),
        user.map_or(container.owner.to_string(), |user| user.name),
        container.address().map_or("-".into(), |address| address.to_string()),
        duration(container.age()?),
        of(
            groups.cpu_time().map(|time| format!("{time:.2}s")),
            groups.cpus().map(|cpus| cpus.to_string()),
        ),
        of(memory.0.map(size), memory.1.map(size)),
        of(pids.0.map(|pids| pids.to_string()), pids.1.map(|pids| pids.to_string())),
        command(container)?,
    ])
}

fn of(used: Option<String>, limit: Option<String>) -> String {
    let used = used.unwrap_or("-".into());
    limit.map_or(used.clone(), |limit| format!("{used}/{limit}"))
}

/// A program may call itself what it likes: what a terminal would obey is not passed on.
fn command(container: &Container) -> Result<String> {
    let words = container.payload()?.cmdline().context("read its /proc/PID/cmdline")?;
    Ok(words.join(" ").chars().map(|c| if c.is_control() { '?' } else { c }).take(60).collect())
}

fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds @ 3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        seconds => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

fn size(bytes: f64) -> String {
    let units = [(30, 'G'), (20, 'M'), (10, 'K')];
    let unit = units.into_iter().find(|(shift, _)| bytes >= f64::from(1 << shift));
    unit.map_or(bytes.to_string(), |(shift, letter)| {
        format!("{:.1}{letter}", bytes / f64::from(1 << shift))
    })
}

/// Columns as wide as their widest entry; the last needs no width.
fn table(rows: &[[String; 9]]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let lines: Vec<_> = [&headings].into_iter().chain(rows).collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let line = |cells: &&[String; 9]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    lines.iter().map(line).collect()
}
