//! 04-ipc: a container with message queues of its own.

use std::{convert::Infallible, process::ExitCode};

/// Runs COMMAND in a container whose `/` is ROOTFS
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    uts: uts::Options,
    #[command(flatten)]
    common: common::Args,
}

const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWPID, // its own process numbers
    libc::CLONE_NEWUTS, // its own host name
    libc::CLONE_NEWIPC, // its own message queues, semaphores and shared memory
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
    uts::set_names(&args.uts)?;
    chroot::enter(&args.common.rootfs)?;
    common::exec(&args.common.command)
}
