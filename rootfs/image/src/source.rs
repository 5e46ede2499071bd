//! The files that make an image: in an archive, or in a directory.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use common::{Operation, Tried, printable};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use rootfs::decode::{self, Format};
use rootfs::place;
use rootfs::unpack::{Guard, Limit};

use crate::broken;
use crate::progress::Progress;

/// Where the files of an image are.
pub enum Source {
    /// In a directory.
    Directory(OwnedFd),
    /// In an archive that is not compressed: each is a part of it.
    Archive { file: File, members: HashMap<PathBuf, Member> },
}

/// A member of an archive.
pub enum Member {
    Part {
        offset: u64,
        size: u64,
    },
    /// The layers of old images may be links to those of others.
    Link(PathBuf),
}

/// More than any index, manifest or configuration has.
const MOST: u64 = 8 << 20;

impl Source {
    /// # Errors
    /// The file cannot be read, or is not an archive.
    pub fn open(path: &Path) -> Result<Source> {
        Source::open_any(path).with_context(|| format!("image {}", printable(path)))
    }

    fn open_any(path: &Path) -> Result<Source> {
        // Without waiting for anyone: a pipe is refused, like everything that is not a file.
        let file =
            open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty());
        let mut file = File::from(file?);
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Ok(Source::Directory(file.into()));
        }
        ensure!(meta.is_file(), "this is neither a regular file nor a directory");
        let mut head = [0; 512];
        let count = file.read_at(&mut head, 0).context("read")?;
        file = match decode::format(&head[..count]) {
            Some(Format::Plain) => file,
            Some(_) => decompress(file, meta.len())?,
            None => bail!("this is neither an archive nor a directory"),
        };
        let members = index(&file)?;
        Ok(Source::Archive { file, members })
    }

    /// Whether there is a file of this name.
    pub fn has(&self, name: &Path) -> bool {
        self.stream(name).is_ok()
    }

    /// Reads a file into memory.
    ///
    /// # Errors
    /// There is no such file; it is too large for what it should be.
    pub fn read(&self, name: &Path) -> Result<Vec<u8>> {
        let (stream, size) = self.stream(name)?;
        let mut bytes = Vec::new();
        let count = stream.take(MOST + 1).read_to_end(&mut bytes);
        count.with_context(|| format!("read {}", printable(name)))?;
        if bytes.len() as u64 > MOST {
            return Err(broken(format!("{} has {size} bytes", printable(name))));
        }
        Ok(bytes)
    }

    /// Opens a file, and returns its size in bytes.
    ///
    /// # Errors
    /// There is no such file.
    pub fn stream(&self, name: &Path) -> Result<(Box<dyn Read + '_>, u64)> {
        let opened = match self {
            Source::Directory(directory) => in_directory(directory, name),
            Source::Archive { file, members } => in_archive(file, members, name),
        };
        opened.with_context(|| format!("{} of the image", printable(name)))
    }
}

/// The directory may be anyone's: a link in it leads to nothing outside of it, and a pipe is no
/// file.
fn in_directory<'a>(directory: &OwnedFd, name: &Path) -> Result<(Box<dyn Read + 'a>, u64)> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = File::from(common::retry(|| openat2(directory, name, how))?);
    let meta = file.metadata()?;
    ensure!(meta.is_file(), "it is not a regular file");
    Ok((Box::new(file), meta.len()))
}

fn in_archive<'a>(
    file: &'a File,
    members: &HashMap<PathBuf, Member>,
    name: &Path,
) -> Result<(Box<dyn Read + 'a>, u64)> {
    let mut name = name.to_owned();
    for _ in 0..8 {
        match members.get(&name) {
            Some(Member::Part { offset, size }) => {
                let part = Part { file, offset: *offset, end: offset + size };
                return Ok((Box::new(part), *size));
            }
            Some(Member::Link(target)) => name = target.clone(),
            None => bail!(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
    bail!("links lead in a circle")
}

/// A part of a file.
struct Part<'a> {
    file: &'a File,
    offset: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let most = buf.len().min(left);
        let count = self.file.read_at(&mut buf[..most], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Decompresses an archive to the disk, into a file without a name, which ends with this process.
fn decompress(file: File, size: u64) -> Result<File> {
    let base = place::private_base()?;
    let mut plain = tempfile::tempfile_in(&base)
        .tried(Operation::BuildTree, format_args!("make a file in {}", printable(&base)))?;
    let file = Progress::new(file, "decompressing".into(), size);
    let mut stream = decode::stream(io::BufReader::with_capacity(1 << 16, file))?;
    io::copy(&mut stream, &mut plain).tried(Operation::BuildTree, "decompress it")?;
    plain.rewind()?;
    Ok(plain)
}

/// Where each member of the archive is.
fn index(file: &File) -> Result<HashMap<PathBuf, Member>> {
    let length = file.metadata()?.len();
    let mut members = HashMap::new();
    let (guard, limit): (_, Limit) = Guard::new(file);
    let mut archive = tar::Archive::new(guard);
    let mut entries = archive.entries_with_seek().map_err(library)?;
    while let Some(entry) = limit.while_reading_names(|| entries.next()) {
        let entry = entry.map_err(library).context("read the next entry")?;
        let Some(name) = plain_name(&entry.path_bytes(), Path::new("")) else { continue };
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let (offset, size) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(broken(format!("the archive is cut off in {}", printable(&name))));
            }
            members.insert(name, Member::Part { offset, size });
        } else if let Some(target) = entry.link_name_bytes().filter(|_| kind.is_symlink()) {
            let target = plain_name(&target, name.parent().unwrap_or(Path::new("")));
            members.extend(target.map(|target| (name, Member::Link(target))));
        } else if let Some(target) = entry.link_name_bytes().filter(|_| kind.is_hard_link()) {
            let target = plain_name(&target, Path::new(""));
            members.extend(target.map(|target| (name, Member::Link(target))));
        }
    }
    Ok(members)
}

/// The name without `.` and `..`; none, if it leads out of the archive.
fn plain_name(name: &[u8], below: &Path) -> Option<PathBuf> {
    let mut plain = below.to_owned();
    for part in Path::new(OsStr::from_bytes(name)).components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => {}
            _ => return None,
        }
    }
    Some(plain)
}

/// An error of the library `tar`, whose words may contain names from the archive as they are.
fn library(error: io::Error) -> anyhow::Error {
    match error.raw_os_error() {
        Some(_) => error.into(),
        None => anyhow::anyhow!("{}", printable(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_leave_the_archive() {
        let plain = |name: &str, below: &str| plain_name(name.as_bytes(), Path::new(below));
        assert_eq!(plain("./a/b", ""), Some("a/b".into()));
        assert_eq!(plain("../b/layer.tar", "a"), Some("b/layer.tar".into()));
        assert_eq!(plain("../../b", "a"), None);
        assert_eq!(plain("/etc/passwd", "a"), None);
    }
}
