//! Finds out how an archive is compressed, and undoes it. A file's name may lie; its first bytes do
//! not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The bytes of a tar archive.
pub type Plain = Box<dyn Read>;

/// Where a tar header says `ustar`, as all archives of this century do.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// Opens an archive as if it were not compressed.
pub fn open(file: &Path) -> Result<Plain> {
    let mut file = BufReader::new(File::open(file).context("open")?);
    let head = file.fill_buf().context("read")?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(XzReader::new(file, true)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(Zstd::new(file))
        }
        head if head.get(TAR_MAGIC.0..).is_some_and(|head| head.starts_with(TAR_MAGIC.1)) => {
            Box::new(file)
        }
        _ => bail!("this is not a tar archive, be it plain or compressed with gzip, xz or zstd"),
    })
}

/// A zstd file is a row of frames; the library decodes one at a time.
struct Zstd<R> {
    file: R,
    frame: FrameDecoder,
}

impl<R: BufRead> Zstd<R> {
    fn new(file: R) -> Self {
        Zstd { file, frame: FrameDecoder::new() }
    }

    /// Goes on to the next frame with data in it, if there is one.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.file.fill_buf()?.is_empty() {
            match self.frame.init(&mut self.file) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.file).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    /// Decodes until there is something to read; says no at the end of the file.
    fn decode(&mut self) -> io::Result<bool> {
        while self.frame.can_collect() == 0 {
            if !self.frame.is_finished() {
                self.frame
                    .decode_blocks(&mut self.file, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            } else if !self.next_frame()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.decode()? { self.frame.read(buf) } else { Ok(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hello | zstd -c` and `printf ' world' | zstd -c`, and between them a frame that is
    /// to be skipped.
    const FRAMES: &[&[u8]] = &[
        b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello",
        b"\x50\x2a\x4d\x18\x02\x00\x00\x00zz",
        b"\x28\xb5\x2f\xfd\x20\x06\x31\x00\x00 world",
    ];

    #[test]
    fn all_frames_of_a_zstd_file_are_read() -> Result<()> {
        let bytes = FRAMES.concat();
        let mut text = String::new();
        Zstd::new(bytes.as_slice()).read_to_string(&mut text)?;
        assert_eq!(text, "hello world");
        Ok(())
    }

    #[test]
    fn a_cut_zstd_file_is_an_error() {
        let bytes = FRAMES.concat();
        assert!(Zstd::new(&bytes[..bytes.len() - 2]).read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(open(Path::new("/etc/passwd")).is_err());
        assert!(open(Path::new("/dev/null")).is_err());
    }
}
