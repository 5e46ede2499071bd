//! Limits what an archive can make this program remember.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// The most that the headers of one entry may take: long names and extended attributes.
const MOST: u64 = 1 << 20;

/// A stream whose reader may be held to a mebibyte. The library keeps long names in memory, of
/// any size that the archive claims, and some bytes of gzip are a gigabyte of zeros.
pub struct Guard<R> {
    stream: R,
    limit: Limit,
}

/// What is left, while there is a limit.
#[derive(Clone)]
pub struct Limit(Rc<Cell<Option<u64>>>);

impl<R> Guard<R> {
    /// Returns the stream, and what sets the limit.
    pub fn new(stream: R) -> (Guard<R>, Limit) {
        let limit = Limit(Rc::new(Cell::new(None)));
        (Guard { stream, limit: limit.clone() }, limit)
    }
}

impl Limit {
    /// Runs `next` with a limit on what it reads.
    pub fn while_reading_names<T>(&self, next: impl FnOnce() -> T) -> T {
        self.0.set(Some(MOST));
        let done = next();
        self.0.set(None);
        done
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.limit.0.get() else { return self.stream.read(buf) };
        if left == 0 {
            return Err(io::Error::other("the names of one entry take more than a megabyte"));
        }
        let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.stream.read(&mut buf[..most])?;
        self.limit.0.set(Some(left - count as u64));
        Ok(count)
    }
}

impl<R: Seek> Seek for Guard<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.stream.seek(to)
    }
}
