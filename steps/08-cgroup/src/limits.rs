//! What can be limited, and the files that say so in both versions of the cgroup interface.

use std::str::FromStr;
use std::thread::available_parallelism;

use crate::hierarchy::Version;

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// CPU time, in CPUs: 0.8 is 80 ms of every 100 ms [default: no limit]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = cpus)]
    cpus: Option<f64>,

    /// Memory in bytes, or with K, M, G in units of 1024; beyond it a process is killed [default:
    /// no limit]
    #[arg(long, value_name = "SIZE")]
    memory: Option<Size>,

    /// Number of processes and threads; beyond it fork(2) fails with EAGAIN [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pids: Option<u32>,
}

/// One limit: its controller, and the value for each file.
pub(crate) struct Limit {
    pub controller: &'static str,
    v1: Vec<(&'static str, String)>,
    v2: Vec<(&'static str, String)>,
}

/// The time in which a quota is to be used, in microseconds; the kernel's default (sched-bwc.rst).
const PERIOD: u32 = 100_000;

impl Options {
    /// The limits that were asked for.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let cpu = self.cpus.map(|cpus| cpu((cpus * f64::from(PERIOD)).round() as u64));
        let memory = self.memory.map(memory);
        let pids = self.pids.map(pids);
        [cpu, memory, pids].into_iter().flatten().collect()
    }
}

fn cpu(quota: u64) -> Limit {
    Limit {
        controller: "cpu",
        v1: vec![
            ("cpu.cfs_period_us", PERIOD.to_string()),
            ("cpu.cfs_quota_us", quota.to_string()),
        ],
        v2: vec![("cpu.max", format!("{quota} {PERIOD}"))],
    }
}

/// Without a limit on swap the kernel would swap out what goes beyond, and the program would only
/// become slow.
fn memory(Size(bytes): Size) -> Limit {
    Limit {
        controller: "memory",
        v1: vec![
            ("memory.limit_in_bytes", bytes.to_string()),
            ("memory.memsw.limit_in_bytes", bytes.to_string()),
        ],
        v2: vec![("memory.max", bytes.to_string()), ("memory.swap.max", "0".into())],
    }
}

fn pids(number: u32) -> Limit {
    let files = vec![("pids.max", number.to_string())];
    Limit { controller: "pids", v1: files.clone(), v2: files }
}

impl Limit {
    /// The files to write, in this order, and what.
    pub fn files(&self, version: Version) -> &[(&'static str, String)] {
        match version {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        }
    }
}

/// The kernel takes no quota below 1 ms, and one above what the machine has would limit nothing.
fn cpus(text: &str) -> Result<f64, String> {
    let machine = available_parallelism().map_or(1, usize::from) as f64;
    match text.parse::<f64>() {
        Ok(cpus) if cpus > machine => Err(format!("there are {machine} CPUs here")),
        Ok(cpus) if cpus >= 0.01 => Ok(cpus),
        Ok(_) => Err("at least 0.01".into()),
        Err(_) => Err("a number, as in 0.8".into()),
    }
}

/// A number of bytes, written with a unit of 1024: 64M.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size(
    /// In bytes.
    pub u64,
);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
        let unit: u64 = match &text[digits.len()..] {
            "" => 1,
            "K" | "k" => 1 << 10,
            "M" | "m" => 1 << 20,
            "G" | "g" => 1 << 30,
            unit => return Err(format!("no unit {unit}; K, M and G are")),
        };
        let number: u64 = digits.parse().map_err(|_| "a number with a unit, as in 64M")?;
        match number.checked_mul(unit) {
            Some(0) => Err("more than nothing".into()),
            Some(bytes) if bytes <= i64::MAX as u64 => Ok(Size(bytes)),
            _ => Err("less than 8 EiB".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_of_1024() {
        assert_eq!("64M".parse(), Ok(Size(64 << 20)));
        assert_eq!("7".parse(), Ok(Size(7)));
        for bad in ["", "M", "0", "0M", "12Q", "-1", "1.5G", "64MB", "99999999999G"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cpus_are_what_the_machine_can_give() {
        assert_eq!(cpus("0.8"), Ok(0.8));
        for bad in ["0", "-1", "nan", "inf", "", "x", "0.001", "100000"] {
            assert!(cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_quota_is_a_part_of_100_ms() {
        let options = Options { cpus: Some(0.8), memory: None, pids: None };
        assert_eq!(
            options.limits()[0].files(Version::V2),
            [("cpu.max", "80000 100000".to_owned())]
        );
    }
}
