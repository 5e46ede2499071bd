//! Whether other processes leave an experiment the CPUs that it needs.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What figures of the course need, in CPUs.
const NEEDED: f64 = 0.9;

/// Whether the machine has less than one CPU idle, measured for half a second (proc_stat(5)). Then
/// a figure that is too small is no evidence.
///
/// # Errors
/// There is no /proc/stat.
pub fn cpus_are_taken() -> Result<bool> {
    let (begin, before) = (Instant::now(), idle_ticks()?);
    sleep(Duration::from_millis(500));
    let idle = (idle_ticks()? - before) as f64 / 100.0; // USER_HZ
    Ok(idle / begin.elapsed().as_secs_f64() < NEEDED)
}

/// The fields `idle` and `iowait` of all CPUs.
fn idle_ticks() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(4).take(2);
    fields.map(|field| field.parse::<u64>().context("/proc/stat")).sum()
}
