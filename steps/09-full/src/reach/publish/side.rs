//! What one side of a connection says, and how far the other has heard it.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};

/// So much of one connection is passed on before the others have their turn.
const TURN: usize = 16;

/// One side of a connection.
pub struct Side {
    /// Its socket.
    pub stream: TcpStream,
    /// The kernel has reported words of this side, or its end, and not all have been read.
    pub readable: bool,
    /// One read may return less than there is: before the end, or before an urgent byte.
    pub in_pieces: bool,
    /// This side hears no more: what the other one still says is thrown away.
    pub deaf: bool,
    /// What this side said and the other could not take yet.
    rest: Vec<u8>,
    said_all: bool,
    /// The other side knows that it said all.
    pub passed_on: bool,
}

impl Side {
    /// A side that has said nothing yet.
    pub fn new(stream: TcpStream) -> Side {
        let (readable, in_pieces, deaf, said_all, passed_on) = (false, false, false, false, false);
        Side { stream, readable, in_pieces, deaf, rest: Vec::new(), said_all, passed_on }
    }

    /// Returns how much of it this side could take.
    fn hear(&mut self, words: &[u8]) -> usize {
        if self.deaf || words.is_empty() {
            return words.len();
        }
        done(self.stream.write(words)).map(|sent| sent.unwrap_or(0)).unwrap_or_else(|_| {
            self.deaf = true; // it may have answered before: that must still arrive
            words.len()
        })
    }
}

/// Passes on what one side said. Returns whether there is more to be passed on now.
///
/// # Errors
/// That side was reset, or never answered.
pub fn pass_on(from: &mut Side, to: &mut Side, buffer: &mut [u8]) -> Result<bool> {
    for _ in 0..TURN {
        let sent = to.hear(&from.rest);
        from.rest.drain(..sent);
        if !from.rest.is_empty() {
            return Ok(false);
        }
        if from.said_all {
            if !from.passed_on {
                from.passed_on = true;
                let _ = to.stream.shutdown(Shutdown::Write); // it may still speak itself
            }
            return Ok(false);
        }
        let read = if from.readable { done(from.stream.read(buffer))? } else { None };
        // Less than was asked for is usually all there is. The kernel reports what comes later, but
        // not again what it has reported already.
        from.readable = read.is_some_and(|read| read == buffer.len() || from.in_pieces);
        let Some(read) = read else { return Ok(false) };
        from.said_all = read == 0;
        let sent = to.hear(&buffer[..read]);
        from.rest.extend_from_slice(&buffer[sent..read]);
    }
    Ok(true)
}

/// None where the kernel would have us wait.
fn done(result: Result<usize>) -> Result<Option<usize>> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        result => result.map(Some),
    }
}
