//! cpu-hog: takes all the CPU time that it can get, and prints how much that was.

use std::hint::spin_loop;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use nix::time::{ClockId, clock_gettime};

/// Keeps THREADS threads busy and prints how many CPUs they really got
#[derive(Parser)]
struct Args {
    /// Number of busy threads
    #[arg(default_value = "1")]
    threads: NonZeroUsize,

    /// How long
    #[arg(long, value_name = "S", default_value_t = 5)]
    seconds: u32,
}

/// The kernel grants a quota for whole periods of 100 ms. The first one had begun before us, so that
/// we get more than our share of it.
const WARM_UP: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    common::run(hog)
}

fn hog(args: Args) -> Result<()> {
    for _ in 0..args.threads.get() {
        spawn(|| {
            loop {
                spin_loop();
            }
        });
    }
    sleep(WARM_UP);
    let start = Sample::now()?;
    let mut last = start;
    for second in 1..=args.seconds {
        sleep(
            (start.at + Duration::from_secs(second.into()))
                .saturating_duration_since(Instant::now()),
        );
        let now = Sample::now()?;
        println!("second {second}: {:.2} CPU", now.cpus_since(&last));
        last = now;
    }
    println!("total: {:.2} CPU", last.cpus_since(&start));
    Ok(())
}

/// The CPU time of all threads of this process so far, and when it was read.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    used: Duration,
}

impl Sample {
    fn now() -> Result<Sample> {
        let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).context("clock_gettime")?;
        Ok(Sample { at: Instant::now(), used: used.into() })
    }

    fn cpus_since(&self, earlier: &Sample) -> f64 {
        (self.used - earlier.used).as_secs_f64() / (self.at - earlier.at).as_secs_f64()
    }
}
