//! The container begins: a command with another `/`.

use std::process::ExitCode;

/// Runs COMMAND with ROOTFS as its `/`
#[derive(clap::Parser)]
#[rustfmt::skip]
struct Args {
    #[command(flatten)] common: common::Args,
}

fn main() -> ExitCode {
    common::run(|args: Args| {
        chroot::enter(&args.common.rootfs)?;
        common::exec(&args.common.command)
    })
}
