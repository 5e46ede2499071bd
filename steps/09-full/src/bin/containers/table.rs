//! The list for a terminal: one line for each container, whatever its user and its programs call
//! themselves.

use common::printable;

use crate::row::Row;

const HEADINGS: [&str; 10] =
    ["NAME", "PID", "USER", "ADDRESS", "RUNNING", "CPU", "MEMORY", "PIDS", "PORTS", "COMMAND"];

/// So many characters of a command are shown.
const COMMAND: usize = 60;

/// The table of these rows. Columns are as wide as their widest entry; the last needs no width.
pub fn of(rows: &[Row]) -> String {
    let lines: Vec<_> =
        [HEADINGS.map(str::to_owned)].into_iter().chain(rows.iter().map(cells)).collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let line = |cells: &[String; 10]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    lines.iter().map(line).collect()
}

fn cells(row: &Row) -> [String; 10] {
    let ports: Vec<_> = row.ports.iter().map(ToString::to_string).collect();
    let command = printable(&row.command.join(" ")).to_string();
    [
        printable(&row.name).to_string(),
        row.pid.to_string(),
        printable(&row.user).to_string(),
        row.address.map_or("-".into(), |address| address.to_string()),
        duration(row.seconds),
        of_limit(row.cpu_seconds.map(|time| format!("{time:.2}s")), row.cpus),
        of_limit(row.memory.map(size), row.memory_limit.map(size)),
        of_limit(row.pids, row.pids_limit),
        if ports.is_empty() { "-".into() } else { ports.join(",") },
        command.chars().take(COMMAND).collect(),
    ]
}

fn of_limit(used: Option<impl ToString>, limit: Option<impl ToString>) -> String {
    let used = used.map_or("-".into(), |used| used.to_string());
    limit.map_or(used.clone(), |limit| format!("{used}/{}", limit.to_string()))
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

fn size(bytes: f64) -> String {
    let units = [(30, 'G'), (20, 'M'), (10, 'K')];
    let unit = units.into_iter().find(|(shift, _)| bytes >= f64::from(1 << shift));
    unit.map_or(bytes.to_string(), |(shift, letter)| {
        format!("{:.1}{letter}", bytes / f64::from(1 << shift))
    })
}
