//! A line on the terminal that shows how far long work is. Nothing is printed elsewhere.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

/// A stream that shows how much of it was read.
pub struct Progress<R> {
    stream: R,
    what: String,
    done: u64,
    size: u64,
    terminal: bool,
    shown: Option<Instant>,
}

/// How long work goes on without a line, and a line without a change.
const PAUSE: Duration = Duration::from_millis(300);

impl<R> Progress<R> {
    /// `what` is ours, so that it may be printed as it is; `size` in bytes.
    pub fn new(stream: R, what: String, size: u64) -> Self {
        let terminal = io::stderr().is_terminal();
        Progress { stream, what, done: 0, size, terminal, shown: Some(Instant::now()) }
    }

    fn show(&mut self) {
        if !self.terminal || self.shown.is_some_and(|shown| shown.elapsed() < PAUSE) {
            return;
        }
        let percent = self.done.saturating_mul(100) / self.size.max(1);
        let megabytes = self.done >> 20;
        let _ = write!(io::stderr(), "\r{}: {megabytes} MB, {percent} %\x1b[K", self.what);
        self.shown = Some(Instant::now());
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buf)?;
        self.done += count as u64;
        self.show();
        Ok(count)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
