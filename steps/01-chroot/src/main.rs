//! The container begins: a command with another `/`.
#[rustfmt::skip] #[derive(clap::Parser)]
struct Args {
    #[command(flatten)] common: common::Args,
}

fn main() -> std::process::ExitCode {
    common::run(|args: Args| {
        chroot::enter(&args.common.rootfs)?;
        common::exec(&args.common.command)
    })
}
