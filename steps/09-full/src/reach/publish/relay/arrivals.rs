//! New clients, and datagrams.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::super::connection::{self, Connection};
use super::super::{Listener, datagrams};
use super::{Relay, SESSIONS};

impl Relay<'_> {
    /// A client for which there is no descriptor left is refused at once: it must not hang.
    pub(super) fn accept(&mut self, listener: &TcpListener, inside: u16) {
        match listener.accept() {
            Ok((client, _)) => self.connect(client, inside),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                self.spare = None;
                let refused = listener.accept().map(|(client, _)| connection::reset(&client));
                self.spare = spare();
                if refused.is_err() {
                    sleep(Duration::from_millis(10)); // the whole machine has none left
                }
            }
        }
    }

    fn connect(&mut self, client: TcpStream, inside: u16) {
        let server = connection::connect(self.cable, inside);
        let Ok(server) = server else { return connection::reset(&client) };
        let key = self.next;
        self.next += 2;
        let all = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLPRI
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        let add = |socket, key| self.epoll.add(socket, EpollEvent::new(all, key));
        match add(&client, key).and_then(|()| add(&server, key + 1)) {
            Ok(()) => drop(self.connections.insert(key, Connection::new(client, server))),
            Err(_) => connection::reset(&client),
        }
    }

    /// Datagrams of clients.
    pub(super) fn receive(&mut self, listener: &UdpSocket, port: u64, inside: u16) {
        let (epoll, cable) = (&self.epoll, self.cable);
        let open = |key| datagrams::connect(epoll, cable, inside, SESSIONS | key);
        self.sessions.receive((listener, port), &mut self.buffer, open);
    }

    /// Datagrams of the container.
    pub(super) fn answer(&mut self, key: u64) {
        let key = key & !SESSIONS;
        let port = self.sessions.port(key).and_then(|port| self.ports.0.get(port as usize - 1));
        if let Some((Listener::Udp(listener), _)) = port {
            self.sessions.answer(key, listener, &mut self.buffer);
        }
    }
}

/// A descriptor that is given up when no other is left.
pub(super) fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}
