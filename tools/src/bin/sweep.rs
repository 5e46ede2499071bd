//! sweep: removes what experiments have left.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use tools::sweep::sweep;

/// Finds and removes what an interrupted experiment has left on this machine
///
/// That is processes, control groups, links, mounts and temporary directories of this copy of the
/// course, and nothing else. Containers that run are named and left alone. Ends with 0 when nothing
/// is left, else with 1.
#[derive(clap::Parser)]
struct Args {
    /// Name what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    /// Root filesystems outside of target/rootfs
    #[arg(value_name = "ROOTFS")]
    rootfs: Vec<PathBuf>,
}

fn main() -> ExitCode {
    common::run(|args: Args| -> Result<ExitCode> {
        let sum = sweep(&args.rootfs, args.dry_run, |line| println!("{line}"))?;
        match (sum.gone, sum.left, args.dry_run) {
            (0, 0, _) => println!("Nothing is left of any experiment."),
            (gone, _, true) => println!("To be removed: {gone}."),
            (gone, left, false) => println!("Removed: {gone}. Still there: {left}."),
        }
        let clean = sum.left == 0 && (sum.gone == 0 || !args.dry_run);
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
    })
}
