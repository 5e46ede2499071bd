//! One entry of an archive, checked.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use common::printable;

use super::{hostile, library};
use crate::owners::check_id;

/// What an entry brings, with its name made relative to the tree. An empty path is the tree itself.
pub struct Entry {
    pub path: PathBuf,
    pub content: Content,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub size: u64,
    /// Whether parts of the file are holes
    pub sparse: bool,
    /// The extended attribute `security.capability`, capabilities(7)
    pub capability: Option<Vec<u8>>,
}

/// What is at the end of the path.
pub enum Content {
    /// Nothing that a tree contains.
    Nothing,
    File,
    Directory,
    /// A device or a pipe.
    Device,
    Symlink(PathBuf),
    /// The path in the tree.
    HardLink(PathBuf),
}

const CAPABILITY: &str = "SCHILY.xattr.security.capability";

impl Entry {
    /// # Errors
    /// A name leads out of the tree; an id or the kind is impossible.
    pub fn read<R: Read>(raw: &mut tar::Entry<R>) -> Result<Entry> {
        let capability = extensions(raw)?;
        let header = raw.header();
        let old = header.as_old();
        let path = inside(&raw.path_bytes())?;
        let entry = Entry {
            content: content(raw)?,
            mode: number(header.mode(), &old.mode).context("mode")? & 0o7777,
            uid: check_id(number(header.uid(), &old.uid).context("user id")?)?,
            gid: check_id(number(header.gid(), &old.gid).context("group id")?)?,
            mtime: number(header.mtime(), &old.mtime).context("time")?.try_into().unwrap_or(0),
            size: raw.size(),
            sparse: header.entry_type().is_gnu_sparse(),
            path,
            capability,
        };
        let named = entry.path != Path::new("");
        let nameless = matches!(entry.content, Content::Directory | Content::Nothing);
        ensure!(named || nameless, "it has no name");
        Ok(entry)
    }

    /// Whether a program gives its user more rights.
    pub fn has_privileges(&self) -> bool {
        self.mode & 0o6000 != 0 || self.capability.is_some()
    }
}

/// A number of a header; some archives leave a field empty.
fn number<N: Default>(read: io::Result<N>, field: &[u8]) -> Result<N> {
    match read {
        Err(_) if field.iter().all(|byte| [0, b' '].contains(byte)) => Ok(N::default()),
        read => read.map_err(library),
    }
}

fn content<R: Read>(raw: &tar::Entry<R>) -> Result<Content> {
    use tar::EntryType as Type;
    let target = || raw.link_name_bytes().context("the link leads nowhere");
    let old_directory = raw.header().as_ustar().is_none() && raw.path_bytes().ends_with(b"/");
    Ok(match raw.header().entry_type() {
        Type::Regular if old_directory => Content::Directory,
        Type::Regular | Type::Continuous | Type::GNUSparse => Content::File,
        Type::Directory => Content::Directory,
        Type::Symlink => Content::Symlink(os(&target()?).into()),
        Type::Link => Content::HardLink(inside(&target()?)?),
        Type::Char | Type::Block | Type::Fifo => Content::Device,
        Type::XGlobalHeader => Content::Nothing,
        kind => bail!("unknown kind of entry: {:#04x}", kind.as_byte()),
    })
}

/// Looks through the extended header.
fn extensions<R: Read>(raw: &mut tar::Entry<R>) -> Result<Option<Vec<u8>>> {
    let mut capability = None;
    for extension in
        raw.pax_extensions().map_err(library).context("extended header")?.into_iter().flatten()
    {
        let extension = extension.map_err(library).context("extended header")?;
        let key = extension.key_bytes();
        // The format of GNU tar with --sparse --format=posix, in which no image is written.
        ensure!(!key.starts_with(b"GNU.sparse."), "files with holes in the format of POSIX");
        if key == CAPABILITY.as_bytes() {
            capability = Some(extension.value_bytes().to_owned());
        }
    }
    Ok(capability)
}

/// The path in the tree: without the `./` that many archives begin each name with. An honest
/// archive has no absolute names, and none with `..`.
fn inside(name: &[u8]) -> Result<PathBuf> {
    let path = Path::new(os(name));
    let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !path.components().all(is_inside) {
        return Err(hostile(format!("{} leads out of the tree", printable(path))));
    }
    Ok(path.components().filter(|part| matches!(part, Component::Normal(_))).collect())
}

/// A name is a row of bytes, in whatever encoding.
pub fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
