//! The container gains its own host name.
#[rustfmt::skip] #[derive(clap::Parser)]
struct Args {
    #[command(flatten)] uts: uts::Options,
    #[command(flatten)] common: common::Args,
}

#[rustfmt::skip]
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWPID,  // its own process numbers
    libc::CLONE_NEWUTS,  // its own host name
];

fn main() -> std::process::ExitCode {
    common::run(|args: Args| {
        let container = pid::spawn(&pid::clone_args(NAMESPACES), |launcher| {
            pid::die_with(launcher)?;
            uts::set_names(&args.uts)?;
            chroot::enter(&args.common.rootfs)?;
            common::exec(&args.common.command)
        })?;
        container.wait()
    })
}
