//! The container gains its own user ids, and an ordinary user can start it.
#[rustfmt::skip] #[derive(clap::Parser)]
struct Args {
    #[command(flatten)] user: user::Options,
    #[command(flatten)] uts: uts::Options,
    #[command(flatten)] common: common::Args,
}

#[rustfmt::skip]
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWPID,  // its own process numbers
    libc::CLONE_NEWUTS,  // its own host name
    libc::CLONE_NEWIPC,  // its own message queues, semaphores and shared memory
    libc::CLONE_NEWUSER, // its own user ids and capabilities
];

fn main() -> std::process::ExitCode {
    common::run(|args: Args| {
        let ids = user::ids(&args.user)?;
        let gate = user::Gate::new()?;
        let container = pid::spawn(&pid::clone_args(NAMESPACES), |launcher| {
            gate.wait()?;
            user::become_root(&ids)?;
            pid::die_with(launcher)?;
            uts::set_names(&args.uts)?;
            chroot::enter(&args.common.rootfs)?;
            common::exec(&args.common.command)
        })?;
        user::map(&container, &ids)?;
        gate.open()?;
        container.wait()
    })
}
