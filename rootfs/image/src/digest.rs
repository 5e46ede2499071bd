//! Digests: `sha256:` and 64 hexadecimal digits name a file by its content.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;
use std::str::FromStr;

use anyhow::{Error, Result, bail, ensure};
use common::printable;
use sha2::{Digest as _, Sha256};

use crate::broken;

/// The sha256 of a file, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(hex(&Sha256::digest(bytes)))
    }

    /// The digits, without the name of the algorithm.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// # Errors
    /// The bytes have another digest.
    pub fn check(&self, what: &str, bytes: &[u8]) -> Result<()> {
        self.compare(what, &Digest::of(bytes))
    }

    fn compare(&self, what: &str, found: &Digest) -> Result<()> {
        if self == found {
            return Ok(());
        }
        Err(broken(format!("{what} has the digest {found}, and the image names {self}")))
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Digest> {
        let Some(hex) = text.strip_prefix("sha256:") else {
            bail!("{}: only digests of sha256 can be checked", printable(text));
        };
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        ensure!(hex.len() == 64 && hex.bytes().all(is_hex), "{} is not a digest", printable(text));
        Ok(Digest(hex.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A stream that computes the digest of what is read from it.
pub struct Hashing<R> {
    stream: R,
    state: Running,
}

/// The digest so far. It outlives the stream, which a decoder consumes.
#[derive(Clone, Default)]
pub struct Running(Rc<RefCell<(Sha256, u64)>>);

impl<R> Hashing<R> {
    pub fn new(stream: R) -> (Hashing<R>, Running) {
        let state = Running::default();
        (Hashing { stream, state: state.clone() }, state)
    }
}

impl Running {
    /// # Errors
    /// The stream had another digest.
    pub fn check(&self, what: &str, expected: &Digest) -> Result<()> {
        expected.compare(what, &Digest(hex(&self.0.borrow().0.clone().finalize())))
    }

    /// How many bytes were read.
    pub fn count(&self) -> u64 {
        self.0.borrow().1
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buf)?;
        let mut state = self.state.0.borrow_mut();
        state.0.update(&buf[..count]);
        state.1 += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_not_a_path() {
        let digits = "0123456789abcdef".repeat(4);
        assert!(format!("sha256:{digits}").parse::<Digest>().is_ok());
        for wrong in ["../../../etc/passwd", "sha256:../..", "sha512:00", &digits, "sha256:é"] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
        assert!(format!("sha256:{}", digits.to_uppercase()).parse::<Digest>().is_err());
    }

    #[test]
    fn the_stream_has_the_digest_of_its_bytes() -> Result<()> {
        let (mut stream, running) = Hashing::new(&b"hello"[..]);
        io::copy(&mut stream, &mut io::sink())?;
        running.check("it", &Digest::of(b"hello"))?;
        assert!(running.check("it", &Digest::of(b"world")).is_err());
        assert_eq!(running.count(), 5);
        Ok(())
    }
}
