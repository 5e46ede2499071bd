//! Unpacks a tar archive of unknown origin: a root filesystem, or one layer of an image.
//!
//! Every name is resolved beneath the directory that is filled, by openat2(2), and no entry is
//! written through a link or into a file that exists. So the archive cannot reach anything else,
//! whatever it contains. An archive that tries is refused as a whole.
//!
//! Left out: devices, because a container gets its own /dev, and pipes; extended attributes except
//! the capabilities of programs (others would mean something to overlayfs).

mod entry;
mod reader;
mod target;
mod whiteout;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use common::{Failure, printable};
use tar::Archive;

use crate::decode;
use crate::owners::Refused;
use entry::{Content, Entry};
use target::Target;

pub use reader::{Guard, Limit};
pub use whiteout::{OPAQUE, Whiteouts, is_opaque};

/// Whether files keep set-user-ID bits, set-group-ID bits and capabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SetIds {
    /// The tree is closed to other users, so that only its containers can run these files.
    Keep,
    /// Another user of this machine could run them.
    Drop,
}

/// Unpacks an archive file, compressed or not, into an empty directory.
///
/// # Errors
/// The archive is broken, hostile, or an image; what the kernel reports.
pub fn archive(file: &Path, root: &Path, set_ids: SetIds) -> Result<()> {
    let mut job = Job::new(root, Whiteouts::None, set_ids)?;
    job.unpack(decode::open(file)?)?;
    ensure!(job.entries > 0, "the archive is empty");
    refuse_image(file, root)?;
    job.report();
    Ok(())
}

/// The unpacking of one archive, or of several layers into one directory.
pub struct Job {
    target: Target,
    refused: Refused,
    skipped: u64,
    stripped: u64,
    entries: u64,
}

impl Job {
    /// Prepares to fill this directory.
    ///
    /// # Errors
    /// What open(2) reports.
    pub fn new(root: &Path, whiteouts: Whiteouts, set_ids: SetIds) -> Result<Job> {
        let target = Target::open(root, whiteouts, set_ids)?;
        Ok(Job { target, refused: Refused::default(), skipped: 0, stripped: 0, entries: 0 })
    }

    /// Unpacks the next archive, whose whiteouts hide what the earlier ones brought.
    ///
    /// # Errors
    /// The archive is broken or hostile; what the kernel reports.
    pub fn unpack(&mut self, stream: impl Read) -> Result<()> {
        self.target.begin_layer();
        let (guard, limit) = Guard::new(stream);
        let mut archive = Archive::new(guard);
        let mut entries = archive.entries().map_err(library).context("read the archive")?;
        while let Some(entry) = limit.while_reading_names(|| entries.next()) {
            let mut entry = entry.map_err(library).context("read the next entry")?;
            self.entry(&mut entry)?;
            self.entries += 1;
            // What remains of it is skipped here, where the size of names is not limited.
            let skipped = std::io::copy(&mut entry, &mut std::io::sink());
            skipped.map_err(library).context("read the next entry")?;
        }
        // Some archives are padded; whoever checks a digest needs the whole stream.
        std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).context("read the end")?;
        self.target.finish_directories(&mut self.refused)
    }

    fn entry<R: Read>(&mut self, raw: &mut tar::Entry<R>) -> Result<()> {
        let name = printable(entry::os(&raw.path_bytes())).to_string();
        let unpacked = Entry::read(raw).and_then(|entry| self.place(raw, &entry));
        unpacked.with_context(|| format!("entry {name}"))
    }

    fn place<R: Read>(&mut self, raw: &mut tar::Entry<R>, entry: &Entry) -> Result<()> {
        if self.target.whiteout(&entry.path)? {
            return Ok(());
        }
        match &entry.content {
            Content::Nothing => {}
            Content::Device => self.skipped += 1,
            Content::Directory => self.target.directory(entry)?,
            Content::Symlink(to) => {
                let link = self.target.symlink(&entry.path, to)?;
                self.target.own_link(&link, entry, &mut self.refused)?;
            }
            Content::HardLink(to) => self.target.hard_link(&entry.path, to)?,
            Content::File => {
                let file = self.target.file(&entry.path)?;
                target::copy(raw, &file, entry).with_context(|| "write the file")?;
                self.finish_file(&file, entry)?;
            }
        }
        Ok(())
    }

    /// The mode comes after the owner, because chown(2) takes the set-user-ID bit away.
    fn finish_file(&mut self, file: &File, entry: &Entry) -> Result<()> {
        let refused = target::set_owner(file.as_fd(), entry, &mut self.refused)?;
        let keep = self.target.set_ids == SetIds::Keep && !refused;
        if entry.has_privileges() && !keep {
            self.stripped += 1;
        }
        target::set_mode(file.as_fd(), entry, keep)?;
        Ok(())
    }

    /// Prints what was left out.
    pub fn report(&self) {
        self.refused.warn();
        if self.stripped > 0 && self.target.set_ids == SetIds::Drop {
            common::print_stderr(&format!(
                "warning: {} programs lost their set-user-ID bits or capabilities, because other \
                 users can reach this directory",
                self.stripped
            ));
        }
        if self.skipped > 0 {
            common::print_stderr(&format!(
                "left out: {} devices and pipes of the archive (a container gets its own /dev)",
                self.skipped
            ));
        }
    }

    /// Adds what another job has left out.
    pub fn add(&mut self, other: &Job) {
        self.refused.add(&other.refused);
        self.skipped += other.skipped;
        self.stripped += other.stripped;
        self.entries += other.entries;
    }
}

/// An archive of an image holds no root filesystem, but further archives that make one.
fn refuse_image(file: &Path, root: &Path) -> Result<()> {
    let there = |name: &str| root.join(name).symlink_metadata().is_ok();
    let image = there("oci-layout") && there("index.json")
        || there("manifest.json") && !["bin", "etc", "usr", "lib"].into_iter().any(there);
    if !image {
        return Ok(());
    }
    let failure = Failure::new("this is an image, as from `docker save`, and no root filesystem");
    Err(failure.hint(format!("`make image FILE={}` unpacks its layers", printable(file))).into())
}

/// Returns an error for an archive that must not be trusted.
fn hostile(what: String) -> anyhow::Error {
    Failure::new(what).hint("nothing was unpacked; do not trust this archive").into()
}

/// An error of the library `tar`, whose words may contain names from the archive as they are.
fn library(error: std::io::Error) -> anyhow::Error {
    match error.raw_os_error() {
        Some(_) => error.into(),
        None => anyhow::anyhow!("{}", printable(&error.to_string())),
    }
}

/// Splits a path into the directory that holds its last name, and that name.
fn split(path: &Path) -> Result<(&Path, &std::ffi::OsStr)> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => Err(hostile(format!("{} is the tree itself", printable(&PathBuf::from("/"))))),
    }
}
