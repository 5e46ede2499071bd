//! UDP: each client gets a socket of its own towards the container, so that answers find the way
//! back. There is no end to be seen in it, so a client that is silent for a minute is forgotten.
//! Anybody can pretend to be many clients, so there is a bound, and the longest silent make room.

use std::collections::HashMap;
use std::io::Result;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::resource::{Resource, getrlimit};

use super::Cable;

/// After this time without a word a client is forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// So often they are looked through: each time costs more the more there are.
const ROUND: Duration = Duration::from_secs(1);

/// Clients at a time, where half of the process's descriptors are as many. Each takes one of the
/// machine's ports as well, of which there are 28,000 (ip_local_port_range).
const MOST: u64 = 8192;

/// One client in so many makes room for new ones: to look for the longest silent costs more the more
/// there are.
const SHARE: usize = 16;

/// So many datagrams are passed on before others have their turn.
const TURN: usize = 64;

/// The clients that have been heard, each by the key of its socket.
#[derive(Default)]
pub struct Sessions {
    open: HashMap<u64, Session>,
    keys: HashMap<(u64, SocketAddr), u64>,
    last_key: u64,
    last_round: Option<Instant>,
}

struct Session {
    socket: UdpSocket,
    client: SocketAddr,
    /// The key of the published port.
    port: u64,
    heard: Instant,
}

impl Sessions {
    /// Whether there is no client.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The key of the published port to which socket `key` belongs.
    pub fn port(&self, key: u64) -> Option<u64> {
        self.open.get(&key).map(|session| session.port)
    }

    /// Passes on what clients sent to `listener`. `open` gives a new client's socket to epoll and
    /// connects it to the container.
    pub fn receive(
        &mut self,
        (listener, port): (&UdpSocket, u64),
        buffer: &mut [u8],
        mut open: impl FnMut(u64) -> Result<UdpSocket>,
    ) {
        for _ in 0..TURN {
            let Ok((length, client)) = listener.recv_from(buffer) else { return };
            if let Some(session) = self.session(port, client, &mut open) {
                session.heard = Instant::now();
                let _ = session.socket.send(&buffer[..length]); // datagrams may be lost
            }
        }
    }

    fn session(
        &mut self,
        port: u64,
        client: SocketAddr,
        open: &mut impl FnMut(u64) -> Result<UdpSocket>,
    ) -> Option<&mut Session> {
        let key = match self.keys.get(&(port, client)) {
            Some(key) => *key,
            None => {
                self.last_key += 1;
                let key = self.last_key;
                if self.open.len() >= most() {
                    self.forget_oldest();
                }
                let socket = open(key).or_else(|_| {
                    self.forget_oldest(); // no descriptor is left, or no port
                    open(key)
                });
                let session = Session { socket: socket.ok()?, client, port, heard: Instant::now() };
                self.open.insert(key, session);
                self.keys.insert((port, client), key);
                key
            }
        };
        self.open.get_mut(&key)
    }

    /// Passes on to its client what the container sent to socket `key`.
    pub fn answer(&mut self, key: u64, listener: &UdpSocket, buffer: &mut [u8]) {
        let Some(session) = self.open.get_mut(&key) else { return };
        for _ in 0..TURN {
            let Ok(length) = session.socket.recv(buffer) else { return };
            session.heard = Instant::now();
            let _ = listener.send_to(&buffer[..length], session.client);
        }
    }

    /// Closes the sockets of those that have been silent for long.
    pub fn forget_idle(&mut self) {
        if self.is_empty() || self.last_round.is_some_and(|round| round.elapsed() < ROUND) {
            return;
        }
        self.last_round = Some(Instant::now());
        self.open.retain(|_, session| session.heard.elapsed() < IDLE);
        self.keys.retain(|_, key| self.open.contains_key(key));
    }

    fn forget_oldest(&mut self) {
        let mut heard: Vec<_> = self.open.iter().map(|(key, it)| (it.heard, *key)).collect();
        heard.sort_unstable();
        for (_, key) in &heard[..heard.len().div_ceil(SHARE)] {
            self.open.remove(key);
        }
        self.keys.retain(|_, key| self.open.contains_key(key));
    }
}

/// How many clients there may be. The other half of the descriptors is for connections.
fn most() -> usize {
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
    MOST.min(descriptors / 2) as usize
}

/// A socket towards the container's port, reported by `epoll` under `key`.
pub fn connect(epoll: &Epoll, cable: Cable, inside: u16, key: u64) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((cable.host, 0))?;
    socket.connect((cable.container, inside))?;
    socket.set_nonblocking(true)?;
    epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
    Ok(socket)
}
