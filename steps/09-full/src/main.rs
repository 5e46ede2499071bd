//! The container is complete: a process 1, a terminal, a name, and no needless right.
#[rustfmt::skip] #[derive(clap::Parser)]
struct Args {
    #[command(flatten)] full: full::Options,
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
        let (outside, ids) = full::prepare(&args.full, &args.user, &args.common.rootfs)?;
        let link = net::enter_host_network()?.reserve(&args.net)?;
        let group = cgroup::Group::create(&args.cgroup)?;
        let gate = user::Gate::new()?;
        let container = pid::spawn(&group.clone_args(NAMESPACES), |launcher| {
            gate.wait()?;
            user::become_root(&ids)?;
            pid::die_with(launcher)?;
            group.enter()?;
            uts::set_names(&args.uts)?;
            let root = outside.files.attach_root()?;
            mnt::mount_proc(&root)?;
            mnt::mount_dev(&root)?;
            net::mount_sysfs(&root)?;
            group.mount_view(&root)?;
            outside.furnish(&args.full, &link, &root)?;
            mnt::pivot(root)?;
            link.up()?;
            outside.confine(&args.full, &link, launcher)?;
            outside.run(&args.common.command)
        })?;
        user::map(&container, &ids)?;
        outside.shift_owners(&container)?;
        gate.open()?;
        link.plug(&container)?;
        let _proxy = outside.publish(&container, &link)?;
        group.report(outside.wait(container)?)
    })
}
