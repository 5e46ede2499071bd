//! 02-pid: a container that counts its processes from 1.

use std::{convert::Infallible, process::ExitCode};

/// Runs COMMAND in a container whose `/` is ROOTFS
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    common: common::Args,
}

const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWPID, // its own process numbers
];

fn main() -> ExitCode {
    common::run(|args: Args| {
        let container = pid::spawn(&pid::clone_args(NAMESPACES), |launcher| {
            pid::die_with(launcher)?;
            init(&args)
        })?;
        container.wait()
    })
}

fn init(args: &Args) -> anyhow::Result<Infallible> {
    chroot::enter(&args.common.rootfs)?;
    common::exec(&args.common.command)
}
