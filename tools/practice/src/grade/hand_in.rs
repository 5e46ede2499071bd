//! What a student hands in: the Rust text of the steps. Everything else in their tree is ignored,
//! and nothing of it is followed, executed or believed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;

/// No step's file is a tenth as long.
const FILE: u64 = 1 << 18;

/// All of them together.
const ALL: u64 = 1 << 22;

/// How much an archive may hold besides.
const ARCHIVE: u64 = 1 << 28;

/// The files that count, by their path in the course.
#[derive(Default)]
pub struct Work {
    /// Path and text.
    pub files: BTreeMap<PathBuf, String>,
    size: u64,
}

impl Work {
    /// Whether something of this step is there.
    pub fn has(&self, step: &str) -> bool {
        self.files.keys().any(|path| path.starts_with(Path::new("steps").join(step)))
    }

    fn add(&mut self, path: PathBuf, bytes: Vec<u8>) -> Result<()> {
        self.size += bytes.len() as u64;
        ensure!(bytes.len() as u64 <= FILE, "{} is too long", path.display());
        ensure!(self.size <= ALL, "too much in all");
        let text = String::from_utf8(bytes).with_context(|| format!("{}", path.display()))?;
        self.files.insert(path, text);
        Ok(())
    }

    /// Writes the files to a new directory.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let _ = fs::remove_dir_all(directory);
        for (path, text) in &self.files {
            crate::state::write(&directory.join(path), text)?;
        }
        Ok(())
    }
}

/// Whether a path is that of a file which counts: `steps/NN-name/src/….rs`, without the programs
/// that run inside, which are the course's.
fn counts(path: &Path) -> bool {
    let words: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(word) => word.to_str(),
            _ => None,
        })
        .collect();
    let plain = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    words.len() == path.components().count()
        && words.iter().all(plain)
        && matches!(words[..], ["steps", step, "src", next, ..]
            if step.as_bytes()[0].is_ascii_digit() && next != "bin")
        && path.extension() == Some(OsStr::new("rs"))
}

/// Reads a tree or an archive of one (`.tar`, `.tar.gz`).
pub fn read(tree: &Path) -> Result<Work> {
    let metadata = fs::metadata(tree).with_context(|| format!("read {}", tree.display()))?;
    let work = if metadata.is_dir() { read_tree(tree) } else { read_archive(tree) }?;
    ensure!(!work.files.is_empty(), "no steps/*/src/*.rs in it");
    Ok(work)
}

/// Follows no link: one may lead to a file of the teacher's.
fn read_tree(tree: &Path) -> Result<Work> {
    let mut work = Work::default();
    let mut directories = vec![PathBuf::from("steps")];
    while let Some(directory) = directories.pop() {
        let deep = directory.components().count() > 8;
        for entry in fs::read_dir(tree.join(&directory)).into_iter().flatten().flatten() {
            let path = directory.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && !deep {
                directories.push(path);
            } else if kind.is_file() && counts(&path) {
                work.add(path.clone(), read_file(&tree.join(&path))?)?;
            }
        }
    }
    Ok(work)
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let what = || format!("read {}", path.display());
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(path).with_context(what)?;
    ensure!(file.metadata()?.is_file(), "{} is not a file", path.display());
    let mut bytes = Vec::new();
    file.take(FILE + 1).read_to_end(&mut bytes).with_context(what)?;
    Ok(bytes)
}

/// Nothing is unpacked: files that count are read, and everything else is passed over.
fn read_archive(archive: &Path) -> Result<Work> {
    let what = || format!("read {}", archive.display());
    let bytes = File::open(archive).with_context(what)?;
    let zipped = archive.extension() == Some(OsStr::new("gz"));
    let plain: Box<dyn Read> =
        if zipped { Box::new(GzDecoder::new(bytes)) } else { Box::new(bytes) };
    let mut tar = tar::Archive::new(plain.take(ARCHIVE));
    let mut work = Work::default();
    for entry in tar.entries().with_context(what)? {
        let entry = entry.with_context(what)?;
        let path = entry.path().with_context(what)?.into_owned();
        let Some(path) = in_course(&path) else { continue };
        if entry.header().entry_type().is_file() && counts(&path) {
            let mut bytes = Vec::new();
            entry.take(FILE + 1).read_to_end(&mut bytes).with_context(what)?;
            work.add(path, bytes)?;
        }
    }
    Ok(work)
}

/// A path from `steps` on: archives often have a directory above.
fn in_course(path: &Path) -> Option<PathBuf> {
    let parts: Vec<_> = path.components().collect();
    let start = parts.iter().position(|part| part.as_os_str() == "steps")?;
    Some(parts[start..].iter().collect())
}

/// Writes the learner's steps to an archive. Returns how many files it has.
pub fn write(top: &Path, archive: &Path) -> Result<usize> {
    let work = read_tree(top)?;
    let mut bytes = Vec::new();
    let mut tar = tar::Builder::new(&mut bytes);
    for (path, text) in &work.files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).context("write the archive")?;
    }
    tar.finish().context("write the archive")?;
    drop(tar);
    match archive.extension() {
        Some(extension) if extension == "tar" => crate::state::write(archive, bytes)?,
        _ => bail!("{}: a name that ends in .tar", archive.display()),
    }
    Ok(work.files.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_of_steps_counts() {
        for yes in ["steps/06-mount/src/lib.rs", "steps/09-full/src/life/init.rs"] {
            assert!(counts(Path::new(yes)), "{yes}");
        }
        for no in [
            "/steps/06-mount/src/lib.rs",
            "steps/06-mount/build.rs",
            "steps/06-mount/src/../../../../etc/x.rs",
            "steps/06-mount/src/bin/x.rs",
            "steps/06-mount/Cargo.toml",
            "steps/06-mount/tests/claims.rs",
            "steps/../src/x.rs",
            "steps/06-mount/src/a\nb.rs",
            "steps/06-mount/src/lib.rs.so",
            "steps/x/y.rs",
        ] {
            assert!(!counts(Path::new(no)), "{no}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let tree = tempfile::tempdir().unwrap();
        let source = tree.path().join("steps/01-chroot/src");
        fs::create_dir_all(&source).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", source.join("lib.rs")).unwrap();
        assert!(read(tree.path()).is_err());
        std::os::unix::fs::symlink("/", tree.path().join("steps/02-pid")).unwrap();
        fs::write(source.join("main.rs"), "fn main() {}").unwrap();
        let work = read(tree.path()).unwrap();
        assert_eq!(
            work.files.keys().collect::<Vec<_>>(),
            [Path::new("steps/01-chroot/src/main.rs")]
        );
    }

    #[test]
    fn what_is_handed_in_is_what_is_read() {
        let tree = tempfile::tempdir().unwrap();
        let source = tree.path().join("steps/01-chroot/src");
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("main.rs"), "fn main() {}").unwrap();
        let archive = tree.path().join("x.tar");
        assert_eq!(write(tree.path(), &archive).unwrap(), 1);
        assert_eq!(read(&archive).unwrap().files, read(tree.path()).unwrap().files);
    }
}
