//! Whether other processes leave an experiment the CPUs that it needs.

use std::fs;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How much of a CPU others may take, before a figure stops being evidence of a limit.
const TOLERATED: f64 = 0.25;

/// Whether other processes take more than that, measured for a second (proc_stat(5)).
///
/// # Errors
/// There is no /proc/stat.
pub fn cpus_are_taken() -> Result<bool> {
    let (begin, before) = (Instant::now(), idle_ticks()?);
    sleep(Duration::from_secs(1));
    let idle = (idle_ticks()? - before) as f64 / 100.0; // USER_HZ
    let cpus = thread::available_parallelism().context("count CPUs")?.get() as f64;
    Ok(idle / begin.elapsed().as_secs_f64() < cpus - TOLERATED)
}

/// The fields `idle` and `iowait` of all CPUs.
fn idle_ticks() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(4).take(2);
    fields.map(|field| field.parse::<u64>().context("/proc/stat")).sum()
}
