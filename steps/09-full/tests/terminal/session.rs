//! A step on a terminal that plays the user's: we have its master, read its screen and press its
//! keys.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::iter::successors;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::pty::{Winsize, openpty};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid, setsid};

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// No account has this id.
const ORDINARY_USER: u32 = 54321;

/// A step, and who starts it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    step: &'static str,
    uid: u32,
}

/// Holds of 09-full, whoever starts it, and not of 08-cgroup, which has no terminal of its own.
pub fn introduces(check: impl Fn(Case) -> bool) {
    holds(&check);
    for uid in identities() {
        let before = Case { step: "08-cgroup", uid };
        assert!(!check(before), "proves nothing: holds of {before:?}, too");
    }
}

/// Holds of 09-full, whoever starts it.
pub fn holds(check: impl Fn(Case) -> bool) {
    for uid in identities() {
        let case = Case { step: "09-full", uid };
        assert!(check(case), "{case:?}");
    }
}

fn identities() -> Vec<u32> {
    if geteuid().is_root() { vec![0, ORDINARY_USER] } else { vec![geteuid().as_raw()] }
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_09-full")).ancestors().nth(2).unwrap()
}

/// The target directory as the launcher sees it.
fn there() -> &'static Path {
    if geteuid().is_root() { Path::new("/mnt") } else { target() }
}

/// The root filesystem of all tests: root's tests show it in the place of the directory that it is
/// in, which nobody else can enter.
fn rootfs() -> PathBuf {
    if geteuid().is_root() { there().join("tests") } else { harness::rootfs().unwrap() }
}

impl Case {
    /// What starts a container.
    pub fn command(self, words: &[&str]) -> Command {
        self.prepare(Command::new(self.program()), words)
    }

    /// A shell with job control that runs `script`, whose arguments start a container.
    pub fn shell(self, script: &str, words: &[&str]) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("set -m; {script}"), "sh"]).arg(self.program());
        self.prepare(shell, words)
    }

    fn program(self) -> PathBuf {
        there().join("debug").join(self.step)
    }

    /// Adds the arguments. Root's tests lend the target directory to the ordinary user, and spare
    /// the machine's network.
    fn prepare(self, mut command: Command, words: &[&str]) -> Command {
        let tree = harness::rootfs().unwrap();
        command.arg(rootfs()).args(words).current_dir("/");
        command.env("TERM", "dumb").env("PS1", "$ ").env("RUST_BACKTRACE", "0");
        // SAFETY: the closure runs in a child with one thread and makes system calls.
        unsafe { command.pre_exec(move || Ok(self.begin(&tree)?)) };
        command
    }

    /// Tests that run in the background have Ctrl-C ignored (sh(1)), and that would be
    /// inherited.
    fn begin(self, tree: &Path) -> nix::Result<()> {
        for ignored in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
            // SAFETY: SIG_DFL runs no code.
            unsafe { signal(ignored, SigHandler::SigDfl) }?;
        }
        if geteuid().is_root() { self.become_user(tree) } else { Ok(()) }
    }

    fn become_user(self, tree: &Path) -> nix::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )?;
        mount(Some(target()), "/mnt", None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        mount(Some(tree), "/mnt/tests", None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        // Others can reach this place. Where no set-user-ID program works, 09 does not mind.
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID;
        mount(None::<&str>, "/mnt/tests", None::<&str>, flags, None::<&str>)?;
        setgroups(&[])?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.uid));
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)
    }

    /// Starts it with a terminal for all three standard files.
    pub fn start(self, words: &[&str]) -> Session {
        Session::start(self.command(words), |_| {})
    }

    /// The same, with standard input from a pipe whose other end is closed.
    pub fn start_without_input(self, words: &[&str]) -> Session {
        Session::start(self.command(words), |command| {
            command.stdin(Stdio::null());
        })
    }

    /// What is shown until the end, and the exit code.
    pub fn run(self, words: &[&str]) -> (String, i32) {
        let mut session = self.start(words);
        let code = session.end();
        (std::mem::take(&mut session.shown), code)
    }
}

/// A launcher that has a terminal. Dropped, it is killed.
pub struct Session {
    pub child: Child,
    master: Option<File>,
    slave: OwnedFd,
    /// The settings of the terminal before the launcher started.
    pub before: String,
    /// All that the terminal has shown.
    pub shown: String,
}

impl Session {
    /// 24 lines of 80 columns; `command` becomes the leader of a session that the terminal belongs
    /// to.
    pub fn start(command: Command, prepare: impl Fn(&mut Command)) -> Session {
        Session::spawn(command, prepare, None)
    }

    /// The terminal is another session's, and open to whom `mode` says.
    pub fn start_elsewhere(command: Command, mode: u32) -> Session {
        Session::spawn(command, |_| {}, Some(Mode::from_bits_truncate(mode)))
    }

    fn spawn(
        mut command: Command,
        prepare: impl Fn(&mut Command),
        elsewhere: Option<Mode>,
    ) -> Session {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        for file in [&pty.master, &pty.slave] {
            fcntl(file, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).unwrap();
        }
        let copy = || Stdio::from(pty.slave.try_clone().unwrap());
        command.stdin(copy()).stdout(copy()).stderr(copy());
        let slave = pty.slave.as_raw_fd();
        // SAFETY: the closure runs in a child with one thread and makes system calls.
        unsafe {
            command.pre_exec(move || {
                if elsewhere.is_none() { control(slave) } else { Ok(setsid().map(drop)?) }
            })
        };
        if let Some(mode) = elsewhere {
            fchmod(&pty.slave, mode).unwrap();
        }
        prepare(&mut command);
        Session {
            before: settings(&pty.slave),
            child: command.spawn().unwrap(),
            master: Some(pty.master.into()),
            slave: pty.slave,
            shown: String::new(),
        }
    }

    /// Types on the keyboard.
    pub fn press(&mut self, keys: &str) {
        self.master.as_ref().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown.
    pub fn shows(&mut self, text: &str) -> bool {
        self.until(|session| session.shown.contains(text))
    }

    /// Waits until the youngest process below the launcher runs `program`.
    pub fn runs(&mut self, program: &str) -> bool {
        self.until(|session| {
            let name = fs::read_to_string(format!("/proc/{}/comm", session.youngest()));
            name.is_ok_and(|name| name.trim_end() == program)
        })
    }

    /// Waits until the condition holds, while reading what is shown.
    pub fn until(&mut self, condition: impl Fn(&Session) -> bool) -> bool {
        let start = Instant::now();
        loop {
            let last = self.child.try_wait().unwrap().is_some() || start.elapsed() > PATIENCE;
            self.read();
            if condition(self) || last {
                return condition(self);
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end while reading; the exit code, or 128 + n. Whoever does not end is killed.
    pub fn end(&mut self) -> i32 {
        let start = Instant::now();
        loop {
            let status = self.child.try_wait().unwrap();
            self.read();
            match status {
                Some(status) => return code(status),
                None if start.elapsed() > PATIENCE => {
                    panic!("it does not end; shown: {:?}", self.shown)
                }
                None => sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Waits for the end, while nobody reads what is shown.
    pub fn end_unread(&mut self) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(code(status));
            }
            sleep(Duration::from_millis(1));
        }
        None
    }

    fn read(&mut self) {
        let mut bytes = [0; 65536];
        while let Some(count) =
            self.master.as_mut().and_then(|master| master.read(&mut bytes).ok()).filter(|&n| n > 0)
        {
            self.shown += &String::from_utf8_lossy(&bytes[..count]);
        }
    }

    /// Sends a signal only to the launcher.
    pub fn signal(&self, signal: i32) {
        // SAFETY: numbers; the child was not waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Cuts the terminal's cable.
    pub fn hang_up(&mut self) {
        self.master = None;
    }

    /// Makes the terminal as large as that.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the size outlives the call.
        let set = unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(set, 0);
    }

    /// All settings of the terminal, to be compared.
    pub fn settings(&self) -> String {
        settings(&self.slave)
    }

    /// How many bytes of input wait for whoever reads the terminal next.
    pub fn typed_ahead(&self) -> i32 {
        let mut count = 0;
        // SAFETY: the count outlives the call.
        let asked = unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::FIONREAD, &raw mut count) };
        assert_eq!(asked, 0);
        count
    }

    /// The device of the filesystem that the terminal is in, and its inode there.
    pub fn terminal(&self) -> (u64, u64) {
        identity(format!("/proc/self/fd/{}", self.slave.as_raw_fd()))
    }

    /// The same of a standard file of the youngest process below the launcher.
    pub fn payloads(&self, number: u8) -> (u64, u64) {
        identity(format!("/proc/{}/fd/{number}", self.youngest()))
    }

    fn youngest(&self) -> i32 {
        successors(Some(self.child.id() as i32), |pid| child_of(*pid)).last().unwrap()
    }

    /// The launcher's number, where a shell started it.
    pub fn launcher(&self) -> i32 {
        child_of(self.child.id() as i32).unwrap()
    }

    /// Clock ticks (1/100 s) of CPU time that the launcher has used.
    pub fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        [11, 12].map(|field: usize| fields[field].parse::<u64>().unwrap()).iter().sum()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn control(slave: i32) -> io::Result<()> {
    setsid()?;
    // SAFETY: an integer.
    if unsafe { libc::ioctl(slave, libc::TIOCSCTTY, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn identity(path: String) -> (u64, u64) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.dev(), metadata.ino())
}

fn child_of(pid: i32) -> Option<i32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Lets `command` start with nothing open.
pub fn close_standard_files(command: &mut Command) {
    // SAFETY: the closure runs in a child with one thread and makes system calls.
    unsafe { command.pre_exec(|| Ok((0..3).try_for_each(nix::unistd::close)?)) };
}

/// The exit code, or 128 + n.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

fn settings(terminal: &OwnedFd) -> String {
    format!("{:?}", libc::termios::from(nix::sys::termios::tcgetattr(terminal).unwrap()))
}
