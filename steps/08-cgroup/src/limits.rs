//! What can be limited, and how a limit is written on the command line.

use std::str::FromStr;
use std::thread::available_parallelism;

use crate::files::Limit;

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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=PID_MAX_LIMIT))]
    pids: Option<u32>,
}

/// The kernel cannot count more processes (linux/threads.h).
const PID_MAX_LIMIT: i64 = 4_194_304;

impl Options {
    /// Returns the requested limits.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let cpus = self.cpus.map(Limit::cpus);
        let memory = self.memory.map(|size| Limit::memory(size.0));
        [cpus, memory, self.pids.map(Limit::pids)].into_iter().flatten().collect()
    }
}

/// Parses a number of CPUs. The kernel refuses a quota below 1 ms, and a quota above what the machine
/// has would limit nothing.
fn cpus(text: &str) -> Result<f64, String> {
    let machine = available_parallelism().map_or(1, usize::from) as f64;
    match text.parse::<f64>() {
        Ok(cpus) if cpus > machine => Err(format!("this machine has {machine} CPUs")),
        Ok(cpus) if cpus >= 0.01 => Ok(cpus),
        Ok(_) => Err("must be at least 0.01".into()),
        Err(_) => Err("write a number, as in 0.8".into()),
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
            unit => return Err(format!("unknown unit {unit}: use K, M or G")),
        };
        let number: u64 = digits.parse().map_err(|_| "write a number with a unit, as in 64M")?;
        match number.checked_mul(unit) {
            Some(0) => Err("must be more than 0".into()),
            Some(bytes) if bytes <= i64::MAX as u64 => Ok(Size(bytes)),
            _ => Err("must be less than 8 EiB".into()),
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
}
