//! Mounts, and the namespaces that one may mount in.

use std::fs;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::{Attack, Attempt, Decoys, attack, call, gained, nothing};

const CAPABILITIES: &str =
    "CAP_SYS_ADMIN is given up, and there are no user namespaces inside to get it back in";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "mount-on-host",
        "",
        "mounts something that the host sees",
        "a user namespace, whose root may not mount on the host, and then a mount namespace cut off from it",
        leak,
    ),
    attack("new-mount", "", "mounts a tmpfs in a mount namespace of its own", CAPABILITIES, |_| {
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(Some("none"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
        gained("mounted")
    }),
    attack(
        "fsopen",
        "CVE-2022-0185",
        "gets at the parsers of file systems: fsopen(2)",
        CAPABILITIES,
        |_| fsopen(c"tmpfs"),
    ),
    attack("unmask", "", "takes off what is mounted on /proc", CAPABILITIES, |_| {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let _ = mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>); // where there is none
        umount2("/proc", MntFlags::MNT_DETACH)?;
        gained("unmounted")
    }),
    attack(
        "cgroup-v1",
        "CVE-2022-0492",
        "begins to mount a cgroup hierarchy, whose release_agent the host's root would run, in new namespaces",
        CAPABILITIES,
        |_| {
            unshare(
                CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWCGROUP,
            )?;
            fsopen(c"cgroup") // and no further: a hierarchy that is mounted anew is everybody's
        },
    ),
    attack(
        "user-namespace",
        "",
        "becomes root with all capabilities in a user namespace of its own",
        CAPABILITIES,
        |_| {
            unshare(CloneFlags::CLONE_NEWUSER)?;
            gained("all capabilities")
        },
    ),
    attack(
        "user-namespace-clone3",
        "CVE-2022-0185",
        "becomes root in the same way by clone3(2), whose arguments a seccomp filter cannot see",
        "no user namespaces inside, by a limit of 0 or a filter that knows no clone3",
        clone3,
    ),
    attack(
        "nested-network",
        "CVE-2024-1086",
        "gets at the packet filter's code in a network namespace of its own",
        CAPABILITIES,
        |_| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
            // SAFETY: takes integers.
            call(
                "a raw socket",
                unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW) }.into(),
            )
        },
    ),
];

/// Mounts a tmpfs on /tmp and takes it off at once.
fn leak(decoys: &Decoys) -> Attempt {
    let tmpfs = |target| mount(Some("none"), target, Some("tmpfs"), MsFlags::empty(), None::<&str>);
    tmpfs("/tmp")?;
    let seen = in_namespace_of(decoys);
    umount("/tmp")?;
    if seen? { gained("in the host's mount table") } else { nothing("nobody else sees it") }
}

/// Whether this mount namespace is the host's, or passes its mounts on to others. Looks through a /proc
/// in the same place.
fn in_namespace_of(decoys: &Decoys) -> Result<bool, super::Stop> {
    let none = !std::path::Path::new("/proc/self").exists();
    if none {
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>)?;
    }
    let shared = decoys.shares("mnt");
    let table = fs::read_to_string("/proc/self/mountinfo");
    if none {
        umount("/proc")?;
    }
    Ok(shared? || table?.lines().any(|line| line.contains(" /tmp ") && line.contains(" shared:")))
}

fn fsopen(name: &std::ffi::CStr) -> Attempt {
    // SAFETY: the name outlives the call.
    call("a file system to be set up", unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), 0) })
}

fn clone3(_: &Decoys) -> Attempt {
    // SAFETY: all fields are integers, and 0 means "not used" in each.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = libc::CLONE_NEWUSER as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without a stack and without CLONE_VM the child is a copy of this process, which has
    // one thread; it ends at once.
    match Errno::result(unsafe { libc::syscall(libc::SYS_clone3, &args, size_of_val(&args)) })? {
        // SAFETY: ends the child.
        0 => unsafe { libc::_exit(0) },
        _ => gained("all capabilities"),
    }
}
