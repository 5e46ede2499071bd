//! A port of the host that leads into the container: a second process outside accepts connections
//! and passes on what both sides say.

use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::os::fd::AsRawFd;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use libc::c_int;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{
    ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, getppid, setsid,
};
use pid::Container;

mod relay;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// TCP port HOST of this machine leads to port CONTAINER inside; repeatable. ADDR says who may
    /// come: without it only this machine itself (127.0.0.1), with 0.0.0.0 everybody who reaches it
    /// over the network
    #[arg(long, value_name = "[ADDR:]HOST:CONTAINER")]
    publish: Vec<Port>,
}

/// Where to listen outside, and the port inside.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Port {
    outside: SocketAddr,
    inside: u16,
}

/// The published ports: from here on they are taken, and who connects waits.
pub struct Ports(Vec<(TcpListener, u16)>);

/// The process that passes on, seen from the launcher. Dropped, it ends, and the ports are free
/// again.
pub struct Proxy(Option<Pid>);

/// Takes the ports. Comes first: an ordinary user's launcher soon leaves the machine's network.
///
/// # Errors
/// EADDRINUSE; EACCES for a port below 1024 without CAP_NET_BIND_SERVICE; EADDRNOTAVAIL for an
/// address not ours.
pub fn listen(options: &Options) -> Result<Ports> {
    let listen = |port: &Port| {
        let listener = TcpListener::bind(port.outside)
            .with_context(|| format!("listen on {}", port.outside))?;
        Ok((listener, port.inside))
    };
    options.publish.iter().map(listen).collect::<Result<_>>().map(Ports)
}

impl Ports {
    /// Starts to pass connections on to the container. Comes before its cable is plugged in, for
    /// which the payload waits.
    pub fn forward(&self, container: &Container) -> Result<Proxy> {
        if self.0.is_empty() {
            return Ok(Proxy(None));
        }
        let launcher = getpid();
        // SAFETY: this process has one thread, so that the child may do what it likes.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => Ok(Proxy(Some(child))),
            ForkResult::Child => {
                if self.prepare(launcher).is_ok() {
                    self.serve(container.pid);
                }
                // SAFETY: ends the process without the launcher's exit handlers.
                unsafe { libc::_exit(common::exit::FAILURE.into()) }
            }
        }
    }

    /// The proxy lives no longer than the launcher, and keeps nothing of it open but the ports.
    fn prepare(&self, launcher: Pid) -> Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        anyhow::ensure!(getppid() == launcher, "it died before that call");
        setsid()?; // Ctrl-C in the terminal is not for us
        prctl::set_name(c"publish")?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).and_then(|()| dup2_stderr(&null))?;
        drop(null);
        let kept: Vec<c_int> = self.0.iter().map(|(listener, _)| listener.as_raw_fd()).collect();
        // SAFETY: closes descriptors that nothing here uses: we must not keep anybody's pipe open.
        unsafe { close_fds::close_open_fds(libc::STDERR_FILENO + 1, &kept) };
        Ok(())
    }

    fn serve(&self, container: Pid) {
        let slots = Arc::new(());
        thread::scope(|scope| {
            for (listener, port) in &self.0 {
                scope.spawn(|| relay::accept(listener, container, *port, &slots));
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

impl FromStr for Port {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (outside, inside) = text.rsplit_once(':')?;
            let host =
                |port: NonZeroU16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.into());
            let outside =
                outside.parse().map(host).or_else(|_| outside.parse::<SocketAddr>()).ok()?;
            Some(Port { outside, inside: inside.parse::<NonZeroU16>().ok()?.into() })
        };
        parse()
            .filter(|port| port.outside.port() > 0)
            .ok_or("[ADDR:]HOST:CONTAINER, as in 8080:80 or 0.0.0.0:8080:80")
    }
}

#[cfg(test)]
mod tests;
