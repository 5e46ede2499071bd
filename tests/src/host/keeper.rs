//! The process whose namespaces are a host's, and the way there.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown, mkdir, setgroups, setresgid, setresuid, setsid};

use super::TARGET;
use crate::child::Child;
use crate::process::{Process, pidfd_open, wait_until};
use crate::standstill::MOST;

/// How long the processes of a host may go on after the experiment.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// What a host consists of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The machine's root makes it: it has a mount table of its own, with what an experiment needs
    /// of the target directory on [`TARGET`].
    pub by_root: bool,
    /// It belongs to a user namespace, in which `user` has these ids.
    pub ids_inside: Option<(u32, u32)>,
    /// What it has of its own besides mounts and process numbers.
    pub own: CloneFlags,
    /// Its mounts propagate to each other, as systemd sets it up (mount_namespaces(7)).
    pub shared_mounts: bool,
    /// The ids outside of the user that starts the steps there.
    pub user: (u32, u32),
}

/// Process 1 of the host: a `cat` that ends with us, as its input does, and everything on the host
/// with it.
pub(super) struct Keeper {
    child: Child,
    pidfd: OwnedFd,
}

impl Keeper {
    /// Makes a host that shows these files and directories of `target`.
    pub fn start(plan: Plan, shown: &[Shown], target: &Path) -> Result<Self> {
        let layout = Layout::new(shown, target)?;
        let map = |inside: u32, outside: u32| format!("{inside} {outside} 1\n");
        let inside = plan.ids_inside.unwrap_or_default();
        let maps = [map(inside.0, plan.user.0), map(inside.1, plan.user.1)];
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).current_dir("/");
        // SAFETY: the closure runs in a child with one thread and only makes system calls.
        unsafe { command.pre_exec(move || plan.make(&layout, &maps)) };
        let child = Child::spawn(&mut command, move || plan.become_process_1())
            .with_context(|| format!("make a host: {plan:?}"))?;
        let pidfd = pidfd_open(child.id())?;
        Ok(Keeper { child, pidfd })
    }

    /// Its number on the machine.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A handle on it, for setns(2).
    pub fn pidfd(&self) -> Result<OwnedFd> {
        self.pidfd.try_clone().context("dup")
    }
}

impl Drop for Keeper {
    /// A launcher that was killed has a process that removes what it leaves on the machine: its
    /// control groups. Where there are as many as a fork bomb makes, nobody waits.
    fn drop(&mut self) {
        let keeper = Process { pid: self.id() as i32 };
        let alone = || {
            let all = keeper.descendants();
            Ok(all.len() > MOST || all.iter().all(|process| !process.runs()))
        };
        let _ = wait_until("the end of a host's processes", LAST_MOMENT, alone);
    }
}

/// A directory that a host shows, and the mode of those that it makes above it.
pub(super) struct Shown {
    pub path: PathBuf,
    pub above: u32,
}

/// What a host shows of the target directory: the directories above, and mounts.
struct Layout {
    directories: Vec<(CString, Mode)>,
    binds: Vec<(CString, CString)>,
}

impl Layout {
    fn new(shown: &[Shown], target: &Path) -> Result<Self> {
        let mut layout = Layout { directories: Vec::new(), binds: Vec::new() };
        let c_string = |path: &Path| CString::new(path.as_os_str().as_bytes());
        for Shown { path, above } in shown {
            let there = Path::new(TARGET).join(path.strip_prefix(target)?);
            let made = there.ancestors().take_while(|directory| *directory != Path::new(TARGET));
            for directory in made.collect::<Vec<_>>().into_iter().rev() {
                let mode = Mode::from_bits_truncate(*above);
                layout.directories.push((c_string(directory)?, mode));
            }
            layout.binds.push((c_string(path)?, c_string(&there)?));
        }
        Ok(layout)
    }

    /// On a file system of its own: what lies beside it in the target directory may be closed to
    /// others.
    fn mount(&self, (uid, gid): (u32, u32)) -> nix::Result<()> {
        let none = None::<&CStr>;
        mount(Some("tmpfs"), TARGET, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        for (directory, mode) in &self.directories {
            match mkdir(directory.as_c_str(), *mode) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            chown(directory.as_c_str(), owner.0, owner.1)?;
        }
        for (from, to) in &self.binds {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(from.as_c_str()), to.as_c_str(), none, flags, none)?;
        }
        Ok(())
    }
}

/// The keeper's number on the machine, for the process that becomes process 1 of the host: a copy
/// of the one that stored it.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Plan {
    /// Whether the host has namespaces of its own at all. That of an ordinary user who has
    /// subordinate ids has none: newuidmap(1) would not have its rights there.
    pub fn has_namespaces(self) -> bool {
        self.by_root || self.ids_inside.is_some()
    }

    fn namespaces(self) -> CloneFlags {
        let common = self.own | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
        match self.ids_inside {
            Some(_) => common | CloneFlags::CLONE_NEWUSER,
            None => common,
        }
    }

    /// Turns this process into the host, up to its process 1. Runs between fork and exec: no
    /// allocation, only system calls.
    fn make(self, layout: &Layout, maps: &[String; 2]) -> io::Result<()> {
        if self.by_root {
            unshare(CloneFlags::CLONE_NEWNS)?;
            propagate(MsFlags::MS_PRIVATE)?;
            layout.mount(self.user)?;
        }
        if self.ids_inside.is_some() {
            self.make_user_namespace(maps)?;
        }
        if !self.own.is_empty() {
            unshare(self.own)?;
            loopback_up()?;
            // Names that root's programs keep in /run are the host's own as well.
            mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
        }
        if self.has_namespaces() {
            NUMBER.store(std::process::id(), Relaxed);
            unshare(CloneFlags::CLONE_NEWPID)?;
        }
        Ok(())
    }

    fn make_user_namespace(self, maps: &[String; 2]) -> io::Result<()> {
        if self.by_root {
            setgroups(&[])?;
            set_ids(self.user)?;
            prctl::set_dumpable(true)?; // the change of ids gave our files in /proc to root (proc(5))
        }
        unshare(CloneFlags::CLONE_NEWUSER)?;
        put(c"/proc/self/setgroups", "deny")?;
        put(c"/proc/self/uid_map", &maps[0])?;
        put(c"/proc/self/gid_map", &maps[1])?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        propagate(MsFlags::MS_PRIVATE)
    }

    /// What only process 1 can do. Its children are reaped by the kernel, because it ignores
    /// SIGCHLD.
    fn become_process_1(self) -> io::Result<()> {
        if self.has_namespaces() {
            // SAFETY: SIG_IGN runs no code.
            unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
            mount_proc()?;
            number_onwards();
        }
        if self.shared_mounts && self.has_namespaces() {
            propagate(MsFlags::MS_SHARED)?;
        }
        Ok(())
    }

    /// Moves the children of this process to the host.
    pub fn join(self, host: &OwnedFd, groups: &[Gid]) -> nix::Result<()> {
        if self.by_root {
            setgroups(groups)?; // while it is allowed: not in a user namespace with one id
        }
        if self.has_namespaces() {
            setns(host, self.namespaces())?;
        }
        Ok(())
    }

    /// Becomes the user who starts the steps there, in a session of its own: kill(0) reaches
    /// whoever started the tests otherwise.
    pub fn become_user(self, directory: &CStr) -> nix::Result<()> {
        match (self.ids_inside, self.by_root) {
            (Some(inside), _) => set_ids(inside)?,
            (None, true) => set_ids(self.user)?,
            (None, false) => {}
        }
        setsid()?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        nix::unistd::chdir(directory)
    }
}

fn set_ids((uid, gid): (u32, u32)) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

fn propagate(how: MsFlags) -> io::Result<()> {
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | how, None::<&str>)?)
}

/// Where parts of the machine's own /proc are covered, as in other containers, the kernel lets no
/// user namespace mount one that shows all (mount_namespaces(7)): the machine's stays.
fn mount_proc() -> nix::Result<()> {
    match mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>) {
        Err(Errno::EPERM) => Ok(()),
        result => result,
    }
}

/// Lets each host number its processes differently: steps make names of such numbers, and some of
/// those names are the machine's.
fn number_onwards() {
    const EACH: u32 = 64;
    let mut limit = [0; 16];
    let length = read(c"/proc/sys/kernel/pid_max", &mut limit).unwrap_or_default();
    let digits = limit[..length].iter().take_while(|byte| byte.is_ascii_digit());
    let limit = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    let mut number = NUMBER.load(Relaxed) % (limit / EACH).max(1) * EACH;
    let mut text = [0; 10];
    let mut begin = text.len();
    while number > 0 {
        begin -= 1;
        text[begin] = b'0' + (number % 10) as u8; // without a leading 0: it would be octal
        number /= 10;
    }
    // An older kernel may keep this file for its own root.
    let _ = open(c"/proc/sys/kernel/ns_last_pid", OFlag::O_WRONLY)
        .and_then(|file| nix::unistd::write(file, &text[begin..]));
}

fn read(path: &CStr, buffer: &mut [u8]) -> nix::Result<usize> {
    nix::unistd::read(open(path, OFlag::O_RDONLY)?, buffer)
}

fn open(path: &CStr, how: OFlag) -> nix::Result<OwnedFd> {
    nix::fcntl::open(path, how | OFlag::O_CLOEXEC, Mode::empty())
}

fn put(path: &CStr, content: &str) -> io::Result<()> {
    fs::File::from(open(path, OFlag::O_WRONLY)?).write_all(content.as_bytes())
}

/// A new network namespace has a loopback device, and it is down (network_namespaces(7)).
fn loopback_up() -> io::Result<()> {
    let any = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: all of ifreq's fields are integers or unions of such, for which 0 is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which outlives the call (netdevice(7)).
    Errno::result(unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })?;
    Ok(())
}
