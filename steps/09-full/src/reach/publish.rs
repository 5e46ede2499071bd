//! A port of the host that leads into the container: a second process outside accepts connections
//! and passes on what both sides say.

use std::fs::OpenOptions;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use common::{Operation, Tried};
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{
    ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, getppid, pipe2, setsid,
};

use listener::Listener;
pub use port::{Port, Protocol};
use relay::Relay;

mod connection;
mod datagrams;
mod listener;
mod port;
mod relay;
mod side;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// TCP port HOST of this machine, or UDP port with /udp, leads to port CONTAINER inside
    /// [default: the same number]; repeatable. ADDR is the address to listen on: without it only
    /// this machine itself can connect (127.0.0.1), with 0.0.0.0 anyone who reaches it over the
    /// network. ADDR may be an IPv6 address, as in [::1]:8080:80; inside, it is always IPv4
    #[arg(long, value_name = "[ADDR:]HOST[:CONTAINER][/udp]")]
    publish: Vec<Port>,
}

/// The published ports: from here on they are taken, and a client that connects waits.
pub struct Ports(Vec<(Listener, Port)>);

/// The addresses of the two ends of the container's cable.
#[derive(Clone, Copy)]
pub struct Cable {
    /// Ours. What goes to the container leaves from it, so that nothing takes another way where
    /// the cable is gone.
    pub host: Ipv4Addr,
    /// The container's.
    pub container: Ipv4Addr,
}

/// The process that passes on, seen from the launcher. Dropped, it takes no more connections, and
/// ends when the container's last words have reached the clients.
pub struct Proxy(Option<(OwnedFd, Pid)>);

/// Takes the ports. Comes first: an ordinary user's launcher soon leaves the machine's network.
///
/// # Errors
/// EADDRINUSE; EACCES for a port below 1024 without CAP_NET_BIND_SERVICE; EADDRNOTAVAIL for an
/// address that this machine does not have.
pub fn listen(options: &Options) -> Result<Ports> {
    let listen = |port: &Port| {
        let listener = Listener::bind(port)
            .tried(Operation::Listen, format_args!("listen on {}", port.outside));
        Ok((listener?, *port))
    };
    options.publish.iter().map(listen).collect::<Result<_>>().map(Ports)
}

impl Ports {
    /// The ports as they were asked for.
    pub fn list(&self) -> Vec<Port> {
        self.0.iter().map(|(_, port)| *port).collect()
    }

    /// Starts to pass connections on to the container. Comes after its cable is plugged in; clients
    /// that came before are waiting.
    pub fn forward(&self, cable: Cable) -> Result<Proxy> {
        if self.0.is_empty() {
            return Ok(Proxy(None));
        }
        let launcher = getpid();
        let (end, lifeline) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
        // SAFETY: this process has one thread, so that the child may do what it likes.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Proxy(Some((lifeline, child)))),
            ForkResult::Child => {
                drop(lifeline);
                let served =
                    self.prepare(launcher, &end).and_then(|()| Relay::new(self, cable, end)?.run());
                // SAFETY: ends the process without the launcher's exit handlers.
                unsafe { libc::_exit(served.map_or(common::exit::FAILURE, |()| 0).into()) }
            }
        }
    }

    /// The proxy lives no longer than the launcher, and keeps nothing of it open but the ports.
    fn prepare(&self, launcher: Pid, end: &OwnedFd) -> Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        anyhow::ensure!(getppid() == launcher, "it died before that call");
        setsid()?; // Ctrl-C in the terminal is not for us
        SigSet::empty().thread_set_mask()?; // the launcher fetches its signals, we have the usual
        prctl::set_name(c"publish")?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).and_then(|()| dup2_stderr(&null))?;
        drop(null);
        let mut kept: Vec<_> = self.0.iter().map(|(listener, _)| listener.number()).collect();
        kept.push(end.as_raw_fd());
        kept.sort();
        // SAFETY: closes descriptors that nothing here uses: we must not keep anybody's pipe open.
        unsafe { close_fds::close_open_fds(libc::STDERR_FILENO + 1, &kept) };
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?; // each connection takes two
        Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some((lifeline, pid)) = self.0.take() {
            drop(lifeline);
            let _ = waitpid(pid, None);
        }
    }
}

#[cfg(test)]
mod tests;
