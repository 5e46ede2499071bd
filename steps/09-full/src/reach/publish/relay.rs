//! One connection outside, one inside, and a thread for each direction between them.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;

use crate::reach::running;

/// So many connections at once; more wait to be accepted. Each takes two of the 1024 descriptors
/// that are usual.
const CONNECTIONS: usize = 256;

/// Serves everybody who comes. Each connection holds a clone of `slots`, and so they are counted.
pub fn accept(listener: &TcpListener, container: Pid, port: u16, slots: &Arc<()>) {
    loop {
        while Arc::strong_count(slots) > CONNECTIONS {
            thread::sleep(Duration::from_millis(10));
        }
        let slot = Arc::clone(slots);
        match listener.accept() {
            // Where no thread can be had for it, the client sees its connection closed.
            Ok((client, _)) => drop(thread::Builder::new().spawn(move || {
                let _ = connect(container, port).map(|server| pass_on(&client, &server));
                drop(slot);
            })),
            Err(_) => thread::sleep(Duration::from_millis(10)), // no descriptor left, or the client has gone again
        }
    }
}

/// The address is read anew each time: that the container has one only after the proxy's start does
/// no harm.
fn connect(container: Pid, port: u16) -> io::Result<TcpStream> {
    let address = running::address(container.as_raw()).ok_or(io::ErrorKind::AddrNotAvailable)?;
    TcpStream::connect((address, port))
}

/// Copies both ways until both sides have said all; who has, may still listen (shutdown(2)).
pub(super) fn pass_on(client: &TcpStream, server: &TcpStream) {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(client, server));
        copy(server, client);
    });
}
