//! The complete container.

use std::process::ExitCode;

use full::{capabilities, idmap, ids, init, masks, process, volumes};

/// Runs COMMAND in a container whose `/` is ROOTFS
#[derive(clap::Parser)]
#[rustfmt::skip]
struct Args {
    #[command(flatten)] uts: uts::Options,
    #[command(flatten)] user: user::Options,
    #[command(flatten)] net: net::Options,
    #[command(flatten)] cgroup: cgroup::Options,
    #[command(flatten)] volumes: volumes::Options,
    #[command(flatten)] process: process::Options,
    #[command(flatten)] capabilities: capabilities::Options,
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
        ids::choose(&mut args.user)?;
        let rootfs = idmap::shift(&args.common.rootfs, &args.user)?;
        let link = net::host()?.reserve(&args.net)?;
        let group = cgroup::Group::create(&args.cgroup)?;
        let gate = user::Gate::new()?;
        let container = pid::spawn(&group.clone_args(NAMESPACES), |launcher| {
            gate.wait()?;
            rootfs.attach(&args.common.rootfs)?;
            let root = mount::root(&args.common.rootfs)?;
            user::become_root(&args.user)?;
            link.up()?;
            group.enter()?;
            uts::set_names(&args.uts)?;
            mount::proc(&root)?;
            mount::dev(&root)?;
            net::sysfs(&root)?;
            cgroup::view(&root)?;
            volumes::bind(&root, &args.volumes)?;
            mount::pivot(root)?;
            masks::cover()?;
            volumes::restrict_all(&args.volumes)?;
            process::settle(&args.process)?;
            capabilities::limit(&args.capabilities)?;
            pid::die_with(launcher)?;
            process::close_descriptors_on_exec()?;
            init::run(&args.common.command)
        })?;
        user::map(&container, &args.user)?;
        link.plug(&container)?;
        gate.open()?;
        group.report(container.wait()?)
    })
}
