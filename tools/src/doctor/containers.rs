//! The containers of the chapters, with nothing in them: each is made as the chapter's `main.rs`
//! makes it, from the same libraries.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context, Result};
use caps::{CapSet, Capability};
use clap::Parser;
use net::Link;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::report::{Finding, Verdict};
use super::trial::Started;

/// The options of all chapters, as they are when none is given.
#[derive(Parser)]
#[rustfmt::skip]
struct Args {
    #[command(flatten)] uts: uts::Options,
    #[command(flatten)] user: user::Options,
    #[command(flatten)] net: net::Options,
    #[command(flatten)] cgroup: cgroup::Options,
    #[command(flatten)] full: full::Options,
}

/// The flag that chapter 02 adds, that of chapter 03, and so on; 08 and 09 add none.
const NAMESPACES: [libc::c_int; 6] = [
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
];

/// Makes the container of a chapter, up to where it would execute its command.
pub fn container(chapter: usize) -> Result<ExitCode> {
    let mut args = Args::parse_from(["doctor"]);
    let mut rootfs = target()?;
    if chapter == 1 {
        return chroot::enter(&rootfs).map(|()| ExitCode::SUCCESS);
    }
    if chapter >= 9 {
        full::owners::subordinate::choose(&mut args.user)?;
        full::owners::idmap::shift(&mut rootfs, &args.user)?;
    }
    let link = if chapter >= 7 { link(&args)? } else { None };
    let group = cgroup::Group::create(&args.cgroup)?;
    let gate = user::Gate::new()?;
    let namespaces = &NAMESPACES[..(chapter - 1).min(NAMESPACES.len())];
    let container = pid::spawn(&group.clone_args(namespaces), |launcher| {
        gate.wait()?;
        if chapter >= 5 {
            user::become_root(&args.user)?;
        }
        pid::die_with(launcher)?;
        if chapter >= 8 {
            group.enter()?;
        }
        if chapter >= 3 {
            uts::set_names(&args.uts)?;
        }
        if chapter < 6 {
            chroot::enter(&rootfs)?
        } else {
            files(chapter, &rootfs)?;
        }
        link.as_ref().map_or(Ok(()), Link::up)?;
        if chapter >= 9 {
            full::confine(&args.full, launcher)?;
        }
        process::exit(0)
    })?;
    if chapter >= 5 {
        user::map(&container, &args.user)?;
    }
    gate.open()?;
    link.map_or(Ok(()), |link| link.plug(&container))?;
    container.wait()
}

/// A network namespace stands for the machine's: root's own is left alone, and who is not root gets
/// one by chapter 07. None where neither can be, and a cable would be plugged into the machine
/// itself.
fn link(args: &Args) -> Result<Option<Link>> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Err(Errno::EPERM) if caps::has_cap(None, CapSet::Effective, Capability::CAP_NET_ADMIN)? => {
            return Ok(None);
        }
        Err(Errno::EPERM) => {}
        result => result.context("unshare CLONE_NEWNET")?,
    }
    net::host()?.reserve(&args.net).map(Some)
}

/// What chapter 06 begins, and the later ones add to, with an empty root filesystem.
fn files(chapter: usize, rootfs: &Path) -> Result<()> {
    mount(Some("tmpfs"), rootfs, Some("tmpfs"), MsFlags::empty(), Some("mode=755,size=64k"))
        .context("mount tmpfs")?;
    for name in ["proc", "dev", "sys"] {
        fs::create_dir(rootfs.join(name)).with_context(|| format!("mkdir {name}"))?;
    }
    let root = mount::root(rootfs)?;
    mount::proc(&root)?;
    mount::dev(&root)?;
    if chapter >= 7 {
        net::sysfs(&root)?;
    }
    if chapter >= 8 {
        cgroup::view(&root)?;
    }
    mount::pivot(root)
}

/// The directory in which root filesystems are made; a trial covers it, in a mount table of its
/// own.
fn target() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("find the path of this program")?;
    Ok(exe.ancestors().nth(2).context("this program lies in no target directory")?.to_owned())
}

/// What a container of one's own experiments is often plugged into; no chapter needs it.
pub fn add_bridge() -> Result<ExitCode> {
    if unshare(CloneFlags::CLONE_NEWNET).is_err() {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
            .context("unshare CLONE_NEWUSER | CLONE_NEWNET")?;
    }
    let any = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .context("socket")?;
    // SAFETY: the name outlives the call, which reads it up to its NUL (net/bridge/br_ioctl.c in
    // the kernel's source).
    let result = unsafe { libc::ioctl(any.as_raw_fd(), SIOCBRADDBR, c"bridge0".as_ptr()) };
    Errno::result(result).context("add a bridge")?;
    Ok(ExitCode::SUCCESS)
}

/// linux/sockios.h
const SIOCBRADDBR: libc::Ioctl = 0x89a0;

/// A bridge is for experiments beyond the course.
pub fn bridge(trial: Started) -> Finding {
    let outcome = trial.finish();
    if outcome.held {
        return Finding::ok(
            "a bridge",
            "several containers could share one, in experiments of your own",
        );
    }
    let mut finding = outcome.finding("a bridge", "", Verdict::Limited);
    if finding.because.starts_with("add a bridge") {
        finding.cure = Some("sudo modprobe bridge".into());
    }
    Finding { because: format!("{}; no chapter needs one", finding.because), ..finding }
}
