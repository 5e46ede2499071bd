//! The container's terminal: the slave is what its programs see, the master what the launcher reads
//! and writes (pty(7)).

use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use mnt::Root;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, fstat, major, minor};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::{Uid, dup2_stderr, dup2_stdin, dup2_stdout, fchown};
use rustix::process::ioctl_tiocsctty;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{tcgetwinsize, tcsetwinsize};

/// Both ends of a terminal.
pub struct Pty {
    /// Reading from it never waits.
    pub master: OwnedFd,
    /// What stands in for the terminal inside.
    pub slave: OwnedFd,
}

/// Whoever opens the multiplexer gets a new master.
const MULTIPLEXER: OFlag =
    OFlag::O_RDWR.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK);

/// DEVPTS_SUPER_MAGIC in linux/magic.h
const DEVPTS: FsType = FsType(0x1cd1);

impl Pty {
    /// A new terminal of the container, before its root is entered.
    pub fn open(root: &Root) -> Result<Pty> {
        Pty::with(root.open("dev/pts/ptmx", MULTIPLEXER)?)
    }

    /// A new terminal of the container in which process `pid` is, for a process that is still
    /// outside. What that container offers as its multiplexer is looked at before it is opened.
    pub fn open_in(pid: i32, owner: Option<u32>) -> Result<Pty> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let root = format!("/proc/{pid}/root");
        let root = open(&*root, flags, Mode::empty()).with_context(|| format!("open {root}"))?;
        let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags).resolve(inside);
        let file = common::retry(|| openat2(&root, "dev/pts/ptmx", how))
            .context("find /dev/pts/ptmx inside")?;
        let stat = fstat(&file).context("stat /dev/pts/ptmx")?;
        let device = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR
            && (major(stat.st_rdev), minor(stat.st_rdev)) == (5, 2);
        let pts = fstatfs(&file).is_ok_and(|it| it.filesystem_type() == DEVPTS);
        ensure!(device && pts, "/dev/pts/ptmx inside is not a terminal multiplexer");
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let master = open(&*path, MULTIPLEXER, Mode::empty());
        let pty = Pty::with(master.context("open /dev/pts/ptmx inside")?)?;
        fchown(&pty.slave, owner.map(Uid::from_raw), None).context("fchown the terminal")?;
        Ok(pty)
    }

    fn with(master: OwnedFd) -> Result<Pty> {
        unlockpt(&master).context("ioctl TIOCSPTLCK")?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, flags).context("ioctl TIOCGPTPEER")?;
        Ok(Pty { master, slave })
    }
}

/// Gives `to` the size of `from`. The kernel informs the programs there if it is another (SIGWINCH).
pub fn copy_size(from: impl AsFd, to: impl AsFd) {
    // A terminal that hangs up has no size, and needs none.
    let _ = tcgetwinsize(from).and_then(|size| tcsetwinsize(to, size));
}

/// Puts `slave` in the place of a standard file of this process.
pub fn replace(standard: BorrowedFd, slave: &OwnedFd) -> Result<()> {
    match standard.as_raw_fd() {
        0 => dup2_stdin(slave),
        1 => dup2_stdout(slave),
        _ => dup2_stderr(slave),
    }
    .context("dup2")
}

/// Makes `slave` the controlling terminal of this session: Ctrl-C there ends what runs here, and
/// /dev/tty means it.
pub fn control(slave: &OwnedFd) -> Result<()> {
    ioctl_tiocsctty(slave).context("ioctl TIOCSCTTY")
}

/// Lets /dev/console be the same terminal, as the other container runtimes do.
pub fn console(slave: &OwnedFd, root: &Root) -> Result<()> {
    let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    openat(root.resolve("dev")?, "console", flags, Mode::S_IRUSR).context("create /dev/console")?;
    root.place(mnt::copy_mount(slave, "").context("bind /dev/console")?, "dev/console")
}

/// Sends SIGINT, SIGQUIT or SIGTSTP to the slave's foreground processes, as the key for it would.
pub fn signal(master: impl AsFd, signal: Signal) {
    // SAFETY: takes an integer. It is not an error that nobody is there any more.
    unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCSIG, signal as libc::c_int) };
}

/// The standard files that are terminals, input first.
pub fn terminals() -> impl Iterator<Item = BorrowedFd<'static>> {
    let standard = [is_terminal(&stdin()), is_terminal(&stdout()), is_terminal(&stderr())];
    (0..3).zip(standard).filter(|(_, terminal)| *terminal).map(|(number, _)| {
        // SAFETY: Rust's runtime opens /dev/null for those that were closed, and nothing closes them
        // later.
        unsafe { BorrowedFd::borrow_raw(number) }
    })
}

fn is_terminal(file: &impl std::io::IsTerminal) -> bool {
    file.is_terminal()
}
