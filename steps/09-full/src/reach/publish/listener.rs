//! A socket on which a published port is taken.

use std::io::Result;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::socket::{Backlog, listen};

use super::{Port, Protocol};

/// What clients reach.
pub enum Listener {
    /// For connections.
    Tcp(TcpListener),
    /// For datagrams.
    Udp(UdpSocket),
}

impl Listener {
    /// Takes the port.
    pub fn bind(port: &Port) -> Result<Listener> {
        if port.protocol == Protocol::Udp {
            let socket = UdpSocket::bind(port.outside)?;
            socket.set_nonblocking(true)?;
            return Ok(Listener::Udp(socket));
        }
        let socket = TcpListener::bind(port.outside)?;
        socket.set_nonblocking(true)?;
        listen(&socket, Backlog::MAXCONN)?; // many that come at once need not try again
        Ok(Listener::Tcp(socket))
    }

    /// Its descriptor's number.
    pub fn number(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(socket) => socket.as_fd(),
            Listener::Udp(socket) => socket.as_fd(),
        }
    }
}
