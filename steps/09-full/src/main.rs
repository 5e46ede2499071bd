//! The container so far.

use std::process::ExitCode;

/// Runs COMMAND in a container whose `/` is ROOTFS
#[derive(clap::Parser)]
#[rustfmt::skip]
struct Args {
    #[command(flatten)] uts: uts::Options,
    #[command(flatten)] user: user::Options,
    #[command(flatten)] net: net::Options,
    #[command(flatten)] cgroup: cgroup::Options,
    #[command(flatten)] full: full::Options,
    #[command(flatten)] common: common::Args,
}

#[rustfmt::skip]
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWPID,  // its own process numbers
    libc::CLONE_NEWUTS,  // its own host name
    libc::CLONE_NEWIPC,  // its own message queues, semaphores and shared memory
    libc::CLONE_NEWUSER, // its own user ids and capabilities
    libc::CLONE_NEWNS,   // its own mounts
    libc::CLONE_NEWNET,  // its own network
];

fn main() -> ExitCode {
    common::run(|mut args: Args| {
        let outside = full::prepare(&args.full, &mut args.user, &mut args.common.rootfs)?;
        let link = net::host()?.reserve(&args.net)?;
        let group = cgroup::Group::create(&args.cgroup)?;
        let gate = user::Gate::new()?;
        let container = pid::spawn(&group.clone_args(NAMESPACES), |launcher| {
            gate.wait()?;
            user::become_root(&args.user)?;
            pid::die_with(launcher)?;
            group.enter()?;
            uts::set_names(&args.uts)?;
            let root = mount::root(&args.common.rootfs)?;
            mount::proc(&root)?;
            mount::dev(&root)?;
            net::sysfs(&root)?;
            cgroup::view(&root)?;
            full::files::volumes::bind(&root, &args.full.volumes)?;
            mount::pivot(root)?;
            link.up()?;
            outside.terminal.attach()?;
            full::confine(&args.full, launcher)?;
            full::life::run(&args.common.command)
        })?;
        user::map(&container, &args.user)?;
        gate.open()?;
        link.plug(&container)?;
        let _proxy = outside.publish(&link)?;
        group.report(outside.wait(container)?)
    })
}
