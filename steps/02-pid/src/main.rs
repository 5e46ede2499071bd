//! The container gains its own process numbers: it sees no process but its own.
#[rustfmt::skip] #[derive(clap::Parser)]
struct Args {
    #[command(flatten)] common: common::Args,
}

#[rustfmt::skip]
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWPID,  // its own process numbers
];

fn main() -> std::process::ExitCode {
    common::run(|args: Args| {
        let container = pid::spawn(&pid::clone_args(NAMESPACES), |launcher| {
            pid::die_with(launcher)?;
            chroot::enter(&args.common.rootfs)?;
            common::exec(&args.common.command)
        })?;
        container.wait()
    })
}
