//! mem-hog: takes memory, and says how far it came.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use cgroup::Size;
use clap::Parser;

/// Takes SIZE bytes of memory, 8 MiB at a time, and uses every page of it
#[derive(Parser)]
struct Args {
    /// How much, as in 64M
    size: Size,
}

const STEP: u64 = 8 << 20;

fn main() -> ExitCode {
    common::run(hog)
}

fn hog(args: Args) -> Result<()> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for start in (0..args.size.0).step_by(STEP as usize) {
        let end = args.size.0.min(start + STEP);
        let mut block = Vec::new();
        block
            .try_reserve_exact((end - start) as usize)
            .with_context(|| format!("allocate beyond {start} bytes"))?;
        block.resize((end - start) as usize, 1); // only what is written to is memory (overcommit)
        taken.push(block);
        println!("{} MiB", end >> 20);
        std::io::stdout().flush()?;
    }
    Ok(())
}
