//! The forwarder's loop: one thread and one epoll(7) instance for all connections.
//!
//! Each socket of a connection is registered once, and reported when something changes (EPOLLET);
//! only what has been reported is read. So a message costs a read, a write, and its share of an
//! epoll_wait, however many connections there are.

use std::collections::HashMap;
use std::fs::File;
use std::mem::take;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::alarm;

use super::connection::{Connection, Next};
use super::datagrams::Sessions;
use super::{Cable, Listener, Ports};
use arrivals::spare;

mod arrivals;

/// Seconds in which clients may still hear what an ended container has said.
const LAST_WORDS: u32 = 10;

/// The key of the launcher's pipe. Those of the ports follow.
const LIFELINE: u64 = 0;
/// The keys of connections: a client's is even, its server's is the next.
const CONNECTIONS: u64 = 1 << 32;
/// The keys of UDP clients.
const SESSIONS: u64 = 1 << 63;

/// Everything that the forwarder has open.
pub struct Relay<'a> {
    ports: &'a Ports,
    cable: Cable,
    epoll: Epoll,
    connections: HashMap<u64, Connection>,
    next: u64,
    /// Connections that had their turn and have more.
    again: Vec<u64>,
    sessions: Sessions,
    buffer: Vec<u8>,
    /// A descriptor for the moment in which no other is left.
    spare: Option<File>,
    lifeline: OwnedFd,
}

impl<'a> Relay<'a> {
    /// Registers all ports; `lifeline` closes with the container's end.
    pub fn new(ports: &'a Ports, cable: Cable, lifeline: OwnedFd) -> Result<Relay<'a>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll_create1")?;
        epoll.add(&lifeline, EpollEvent::new(EpollFlags::EPOLLIN, LIFELINE))?;
        for (key, (listener, _)) in (LIFELINE + 1..).zip(&ports.0) {
            epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        }
        Ok(Relay {
            ports,
            cable,
            epoll,
            connections: HashMap::new(),
            next: CONNECTIONS,
            again: Vec::new(),
            sessions: Sessions::default(),
            buffer: vec![0; 1 << 17],
            spare: spare(),
            lifeline,
        })
    }

    /// Passes on until the container has ended, and then what it said last. SIGALRM ends this where
    /// clients do not listen.
    pub fn run(&mut self) -> Result<()> {
        while self.turn()? {}
        alarm::set(LAST_WORDS);
        self.epoll.delete(&self.lifeline)?;
        for (listener, _) in &self.ports.0 {
            self.epoll.delete(listener)?;
            let _ = shutdown(listener.number(), Shutdown::Read); // the next container may have the port
        }
        loop {
            self.connections.retain(|_, connection| !connection.is_heard());
            if self.connections.is_empty() {
                alarm::cancel();
                return Ok(());
            }
            self.turn()?;
        }
    }

    /// Waits for what happens next. Returns whether the container still runs.
    fn turn(&mut self) -> Result<bool> {
        let timeout = match (self.again.is_empty(), self.sessions.is_empty()) {
            (false, _) => EpollTimeout::ZERO,
            (true, false) => EpollTimeout::from(1000u16),
            (true, true) => EpollTimeout::NONE,
        };
        let mut events = [EpollEvent::empty(); 256];
        let count = match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            result => result.context("epoll_wait")?,
        };
        let again = take(&mut self.again);
        for event in &events[..count] {
            self.handle(event);
        }
        again.into_iter().for_each(|key| self.pump(key));
        self.sessions.forget_idle();
        Ok(events[..count].iter().all(|event| event.data() != LIFELINE))
    }

    fn handle(&mut self, event: &EpollEvent) {
        match event.data() {
            LIFELINE => {}
            key @ SESSIONS.. => self.answer(key),
            key @ CONNECTIONS.. => {
                if let Some(connection) = self.connections.get_mut(&(key & !1)) {
                    connection.report(key & 1 == 1, event.events());
                    self.pump(key & !1);
                }
            }
            key => match &self.ports.0[(key - 1) as usize] {
                (Listener::Tcp(listener), port) => self.accept(listener, port.inside),
                (Listener::Udp(listener), port) => self.receive(listener, key, port.inside),
            },
        }
    }

    fn pump(&mut self, key: u64) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        match connection.pump(&mut self.buffer) {
            Ok(Next::Wait) => {}
            Ok(Next::Again) => self.again.push(key),
            Ok(Next::Done) => drop(self.connections.remove(&key)),
            Err(_) => self.connections.remove(&key).map(Connection::reset).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
