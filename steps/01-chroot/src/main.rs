//! 01-chroot: a command with another `/`.

use std::process::ExitCode;

use clap::Parser;

/// Runs COMMAND with ROOTFS as its `/`
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: common::Args,
}

fn main() -> ExitCode {
    common::run(|| {
        let args = Args::parse();
        chroot::enter(&args.common.rootfs)?;
        common::exec(&args.common.command)
    })
}
