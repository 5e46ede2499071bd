//! mem-hog: takes memory, and prints how much it got.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use cgroup::Size;
use clap::Parser;
use common::{Operation, Tried};

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
            .tried(Operation::AllocateMemory, format_args!("allocate beyond {start} bytes"))?;
        block.resize((end - start) as usize, 1); // memory counts once it is written to (overcommit)
        taken.push(block);
        println!("{} MiB", end >> 20);
        std::io::stdout().flush()?;
    }
    Ok(())
}
