//! The programs that can do it, and how each is asked. The first that works is taken.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, pipe2};

/// The interface inside.
pub const TAP: &str = "tap0";

/// Milliseconds after which a program that is not ready is given up.
const PATIENCE: u16 = 5000;

/// The program while it runs. It lives no longer than this process: then its standard input ends.
pub struct Running {
    child: Child,
    /// What it writes to standard error.
    pub words: ChildStderr,
}

/// Adds to a command line what joins process `pid` to the network, and reports to descriptor
/// `ready`. Returns the descriptors that the program needs besides.
type Ask = fn(&mut Command, pid: i32, ready: i32) -> Result<Vec<OwnedFd>>;

/// Starts a program for the network of process `pid`, and returns when the interface is there.
///
/// # Errors
/// None is installed, or none works: the error has the last words of each.
pub fn start(pid: i32) -> Result<Running> {
    let mut errors = Vec::new();
    for (program, ask) in [("slirp4netns", slirp4netns as Ask), ("pasta", pasta)] {
        match try_program(program, ask, pid) {
            Ok(running) => return Ok(running),
            Err(error) => errors.push(format!("{program}: {error:#}")),
        }
    }
    bail!("{}", errors.join("; "))
}

/// Neither lets the container reach what listens on the machine's loopback interface only.
fn slirp4netns(command: &mut Command, pid: i32, ready: i32) -> Result<Vec<OwnedFd>> {
    command.args(["--mtu=65520", "--disable-host-loopback", "--enable-sandbox"]);
    command.args(["--enable-seccomp", "--exit-fd=0", &format!("--ready-fd={ready}")]);
    if !geteuid().is_root() {
        command.arg(format!("--userns-path=/proc/{pid}/ns/user"));
    }
    command.args([&pid.to_string(), TAP]);
    Ok(Vec::new())
}

/// Started by root, pasta becomes nobody and gives up CAP_SYS_PTRACE before it opens the
/// namespaces, and then may do neither that nor enter them. So it stays root, and finds them open.
/// It keeps no right in the machine's own user namespace.
fn pasta(command: &mut Command, pid: i32, ready: i32) -> Result<Vec<OwnedFd>> {
    command.args(["--foreground", "--quiet", "--ipv4-only", "--no-map-gw", "--mtu=65520"]);
    command.args(["--address=10.0.2.100", "--netmask=24", "--gateway=10.0.2.2"]);
    command.args(["--dns-forward=10.0.2.3", "--ns-ifname", TAP]);
    command.args(["-t", "none", "-u", "none", "-T", "none", "-U", "none"]);
    command.arg(format!("--pid=/proc/self/fd/{ready}")); // written when it is ready
    if geteuid().is_root() {
        command.arg("--runas=0");
    }
    let mut opened = Vec::new();
    for (option, name) in [("--userns", "user"), ("--netns", "net")] {
        let path = format!("/proc/{pid}/ns/{name}");
        let namespace = open(path.as_str(), OFlag::O_RDONLY, Mode::empty()).context(path)?;
        command.arg(format!("{option}=/proc/self/fd/{}", namespace.as_raw_fd()));
        opened.push(namespace);
    }
    Ok(opened)
}

fn try_program(program: &str, ask: Ask, pid: i32) -> Result<Running> {
    let (ready, end) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
    fcntl(&end, FcntlArg::F_SETFD(FdFlag::empty())).context("fcntl F_SETFD")?;
    let mut command = Command::new(program);
    let opened = ask(&mut command, pid, end.as_raw_fd())?;
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("not installed"),
        child => child.context("start it")?,
    };
    drop((end, opened)); // the program has them now
    let words = child.stderr.take().context("its standard error")?;
    let mut running = Running { child, words };
    match wait_until_ready(ready) {
        Ok(()) => Ok(running),
        Err(error) => Err(error.context(running.end())),
    }
}

/// The pipe ends without a byte if the program ends.
fn wait_until_ready(ready: OwnedFd) -> Result<()> {
    let events = poll(&mut [PollFd::new(ready.as_fd(), PollFlags::POLLIN)], PATIENCE)?;
    ensure!(events > 0, "not ready after {} seconds", PATIENCE / 1000);
    let read = nix::unistd::read(&ready, &mut [0]).context("read")?;
    ensure!(read > 0, "it ended");
    Ok(())
}

impl Running {
    /// Ends the program, and returns the last line that it wrote.
    pub fn end(&mut self) -> String {
        let _ = self.child.kill();
        let mut words = Vec::new();
        let _ = self.words.by_ref().take(1 << 16).read_to_end(&mut words);
        let _ = self.child.wait();
        let words = String::from_utf8_lossy(&words).into_owned();
        words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message").to_owned()
    }
}

/// What the machine shows to be in the way.
pub fn hint() -> Option<&'static str> {
    let installed = ["slirp4netns", "pasta"].iter().any(|program| which::which(program).is_ok());
    if !installed {
        return Some("slirp4netns is a package of that name");
    }
    match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(
            "/dev/net/tun is closed to you, and most systems open it to all: `sudo chmod 666 \
             /dev/net/tun`",
        ),
        Err(_) => Some("/dev/net/tun is missing: `sudo modprobe tun`"),
    }
}
