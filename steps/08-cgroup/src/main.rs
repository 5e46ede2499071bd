//! The container gains limits: CPU time, memory, number of processes.
#[rustfmt::skip] #[derive(clap::Parser)]
struct Args {
    #[command(flatten)] cgroup: cgroup::Options,
    #[command(flatten)] net: net::Options,
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
    libc::CLONE_NEWNS,   // its own mounts
    libc::CLONE_NEWNET,  // its own network
];

fn main() -> std::process::ExitCode {
    common::run(|args: Args| {
        let ids = user::ids(&args.user)?;
        let link = net::enter_host_network()?.reserve(&args.net)?;
        let group = cgroup::Group::create(&args.cgroup)?;
        let gate = user::Gate::new()?;
        let container = pid::spawn(&group.clone_args(NAMESPACES), |launcher| {
            gate.wait()?;
            user::become_root(&ids)?;
            pid::die_with(launcher)?;
            group.enter()?;
            uts::set_names(&args.uts)?;
            let root = mnt::attach_root(&args.common.rootfs)?;
            mnt::mount_proc(&root)?;
            mnt::mount_dev(&root)?;
            net::mount_sysfs(&root)?;
            group.mount_view(&root)?;
            mnt::pivot(root)?;
            link.up()?;
            common::exec(&args.common.command)
        })?;
        user::map(&container, &ids)?;
        gate.open()?;
        link.plug(&container)?;
        group.report(container.wait()?)
    })
}
