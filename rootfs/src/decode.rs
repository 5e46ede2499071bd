//! Detects how an archive is compressed, and decompresses it. A file's name may be wrong; its first
//! bytes are not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The bytes of a tar archive.
pub type Plain<'a> = Box<dyn Read + 'a>;

/// Where a tar header contains `ustar`; every archive of this century does.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// KiB that decompressing may take; a hostile file asks for 4 GiB. `xz -9` needs 65 MiB, and the
/// library for zstd has a limit of 128 MiB itself.
const XZ_MEMORY: u32 = 256 << 10;

/// The first bytes of what is decompressed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// An archive as it is.
    Plain,
    /// gzip(1)
    Gzip,
    /// xz(1)
    Xz,
    /// zstd(1)
    Zstd,
}

/// Opens an archive as if it were not compressed.
///
/// # Errors
/// What open(2) reports; the file is not an archive.
pub fn open(file: &Path) -> Result<Plain<'static>> {
    let file = File::open(file).context("open")?;
    ensure!(file.metadata().context("stat")?.is_file(), "this is not a regular file");
    stream(BufReader::with_capacity(1 << 16, file))
}

/// Decompresses an archive while it is read.
///
/// # Errors
/// What read(2) reports; this is not an archive.
pub fn stream<'a>(mut stream: impl BufRead + 'a) -> Result<Plain<'a>> {
    let Some(format) = format(stream.fill_buf().context("read")?) else {
        bail!("this is not a tar archive, neither plain nor compressed with gzip, xz or zstd")
    };
    Ok(match format {
        Format::Plain => Box::new(stream),
        Format::Gzip => Box::new(MultiGzDecoder::new(stream)),
        Format::Xz => Box::new(Xz(XzReader::new_mem_limit(stream, true, XZ_MEMORY))),
        Format::Zstd => Box::new(Zstd::new(stream)),
    })
}

/// Detects the format of an archive by its first 512 bytes.
pub fn format(head: &[u8]) -> Option<Format> {
    match head {
        [0x1f, 0x8b, ..] => Some(Format::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Format::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Format::Zstd),
        head if head.get(TAR_MAGIC.0..).is_some_and(|head| head.starts_with(TAR_MAGIC.1)) => {
            Some(Format::Plain)
        }
        // An archive without entries, as the layer of a build step that changes no file.
        head if head.len() >= 512 && head[..512].iter().all(|byte| *byte == 0) => {
            Some(Format::Plain)
        }
        _ => None,
    }
}

/// An xz file, whose header says how much memory it takes.
struct Xz<R: Read>(XzReader<R>);

impl<R: Read> Read for Xz<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory => {
                let what = format!("decompressing it takes more than {} MiB", XZ_MEMORY >> 10);
                io::Error::new(error.kind(), what)
            }
            _ => error,
        })
    }
}

/// A zstd file is a sequence of frames; the library decodes one at a time.
struct Zstd<R> {
    file: R,
    frame: FrameDecoder,
}

impl<R: BufRead> Zstd<R> {
    fn new(file: R) -> Self {
        Zstd { file, frame: FrameDecoder::new() }
    }

    /// Goes on to the next frame with data, and returns whether there is one.
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

    /// Decodes until there is something to read. Returns false at the end of the file.
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

    /// `printf hello | zstd -c` and `printf ' world' | zstd -c`, and between them a frame that
    /// is skipped.
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

    /// `printf hello | xz -0 --check=crc32`, but with a dictionary of this size in the header.
    fn xz(dictionary: u8, checksum: [u8; 4]) -> Vec<u8> {
        let header = [b"\x02\x00\x21\x01".as_slice(), &[dictionary, 0, 0, 0], &checksum].concat();
        let (begin, block) = (b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36", b"\x01\0\x04hello\0\0\0\0");
        let check = b"\x86\xa6\x10\x36";
        let end = b"\0\x01\x19\x05\xbc\xe8\xec\xcb\x90\x42\x99\x0d\x01\0\0\0\0\x01YZ";
        [begin.as_slice(), &header, block, check, end].concat()
    }

    #[test]
    fn a_dictionary_has_a_size_that_fits_into_memory() {
        let read = |file: Vec<u8>| {
            let mut text = String::new();
            stream(file.as_slice())?.read_to_string(&mut text)?;
            anyhow::Ok(text)
        };
        assert_eq!(read(xz(12, [0x8f, 0x98, 0x41, 0x9c])).unwrap(), "hello");
        let error = read(xz(40, [0xe6, 0xa0, 0x11, 0xb3])).unwrap_err();
        assert_eq!(error.to_string(), "decompressing it takes more than 256 MiB");
    }

    #[test]
    fn other_files_are_refused() {
        assert!(open(Path::new("/etc/passwd")).is_err());
        assert!(open(Path::new("/dev/null")).is_err());
    }
}
