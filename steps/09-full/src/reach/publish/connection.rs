//! One connection outside, one inside, and what is on its way between them.

use std::io::Result;
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;

use libc::linger;
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{
    self, AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt,
};

use super::Cable;
use super::side::{Side, pass_on};

/// A client and the server that it reaches.
pub struct Connection {
    client: Side,
    server: Side,
    /// The server has answered: before that, its side takes nothing.
    connected: bool,
}

/// What to do with a connection.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// The kernel reports when there is more.
    Wait,
    /// There is more now.
    Again,
    /// Both sides have said all.
    Done,
}

impl Connection {
    /// A connection to a client, and one to the server that has not answered yet.
    pub fn new(client: TcpStream, server: TcpStream) -> Connection {
        // What one side sends in two writes must not wait for an answer to the first: that takes
        // 40 ms (tcp(7), TCP_NODELAY).
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let _ = client.set_nonblocking(true);
        // An urgent byte is passed on like others (RFC 6093).
        let _ = setsockopt(&client, sockopt::OobInline, &true);
        let _ = setsockopt(&server, sockopt::OobInline, &true);
        Connection { client: Side::new(client), server: Side::new(server), connected: false }
    }

    /// Notes what the kernel reported of one side.
    pub fn report(&mut self, of_server: bool, what: EpollFlags) {
        let side = if of_server { &mut self.server } else { &mut self.client };
        let special = EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLHUP
            | EpollFlags::EPOLLERR
            | EpollFlags::EPOLLPRI;
        side.in_pieces |= what.intersects(special);
        side.readable |= what.intersects(special | EpollFlags::EPOLLIN);
        self.connected |= of_server && what.intersects(special | EpollFlags::EPOLLOUT);
    }

    /// Passes on what can be passed on.
    ///
    /// # Errors
    /// One side was reset, or never answered.
    pub fn pump(&mut self, buffer: &mut [u8]) -> Result<Next> {
        if !self.connected {
            return Ok(Next::Wait);
        }
        let (client, server) = (&mut self.client, &mut self.server);
        let more = pass_on(server, client, buffer)? | pass_on(client, server, buffer)?;
        let done = |side: &Side, other: &Side| side.passed_on || other.deaf;
        Ok(match (done(client, server) && done(server, client), more) {
            (true, _) => Next::Done,
            (_, true) => Next::Again,
            _ => Next::Wait,
        })
    }

    /// The container has ended: whether the client has been sent all that came from there.
    pub fn is_heard(&self) -> bool {
        self.server.passed_on || self.client.deaf || !self.connected
    }

    /// Ends both at once: each side learns that something is missing.
    pub fn reset(self) {
        reset(&self.client.stream);
        reset(&self.server.stream);
    }
}

/// Begins a connection to the container (connect(2), EINPROGRESS). It leaves from our end of the
/// cable: while there is none, it must not leave by another way.
///
/// # Errors
/// EADDRNOTAVAIL without a cable; EMFILE, ENFILE.
pub fn connect(cable: Cable, inside: u16) -> Result<TcpStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let server = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    setsockopt(&server, sockopt::IpBindAddressNoPort, &true)?;
    let address = |ip, port| SockaddrIn::from(SocketAddrV4::new(ip, port));
    bind(server.as_raw_fd(), &address(cable.host, 0))?;
    match socket::connect(server.as_raw_fd(), &address(cable.container, inside)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(server.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// A socket closed with a linger time of 0 sends a reset (socket(7), SO_LINGER).
pub fn reset(stream: &TcpStream) {
    let _ = setsockopt(stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 });
}
