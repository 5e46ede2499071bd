//! The manifest beside a tree: what the tree was built from. While a build would start from the
//! same, the tree is up to date, whatever the users of the containers have changed in it since.
//!
//! A linker writes its output again even when nothing in it differs. So a file counts as changed
//! when its *content* does: by size and time a file is recognised without reading it, and only a
//! file with a new time is read.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::printable;
use sha2::{Digest, Sha256};

use crate::elf;
use crate::place::Place;

/// Must be raised when the builder makes another tree out of the same plan.
const VERSION: &str = "rootfs builder 2";

/// Is there while trees are exchanged: the tree is ours, and nothing else is known of it.
const UNFINISHED: &str = "unfinished";

/// What a tree is built from: words, and the files that they name.
pub struct Recipe {
    /// Two recipes with the same words and the same files give the same tree.
    pub words: String,
    /// Files that are read while the tree is built.
    pub sources: Vec<(PathBuf, Part)>,
}

/// How much of a file gets into the tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// What the kernel and the loader map of a program: no debug information.
    Loaded,
}

/// A recipe as it was when the tree was built, with the state of each file.
pub struct Manifest {
    words: Vec<u8>,
    files: BTreeMap<PathBuf, Stamp>,
}

/// How a file is recognised: by its time, else by its content.
#[derive(Clone)]
struct Stamp {
    /// Size, and time of the last change of content
    time: String,
    /// The hash of everything that would get into a tree
    content: String,
}

impl Recipe {
    /// Notes the present state of all sources, and of further files.
    ///
    /// # Errors
    /// A source cannot be read.
    pub fn stamp(&self, more: &[PathBuf]) -> Result<Manifest> {
        let stamp = |(path, part): (PathBuf, Part)| Ok((path.clone(), Stamp::of(&path, part)?));
        let more = more.iter().map(|path| (path.clone(), Part::Whole));
        let files = self.sources.iter().cloned().chain(more).map(stamp);
        Ok(Manifest { words: self.header(), files: files.collect::<Result<_>>()? })
    }

    /// No word may contain the separator; a name in a plan cannot.
    fn header(&self) -> Vec<u8> {
        format!("{VERSION}\n{}", self.words.replace('\0', "")).into_bytes()
    }
}

impl Manifest {
    /// Reads the manifest of a tree, if it has one.
    pub fn read(place: &Place) -> Option<Manifest> {
        let bytes = fs::read(&place.manifest).ok()?;
        let mut fields = bytes.split(|byte| *byte == 0);
        let mut manifest = Manifest { words: fields.next()?.into(), files: BTreeMap::new() };
        while let Some(path) = fields.next().filter(|path| !path.is_empty()) {
            let mut text = || String::from_utf8(fields.next()?.into()).ok();
            let stamp = Stamp { time: text()?, content: text()? };
            manifest.files.insert(OsStr::from_bytes(path).into(), stamp);
        }
        Some(manifest)
    }

    /// Whether the tree exists and was built from what would be taken today. A file with a new time
    /// and the old content gets its new time noted.
    pub fn is_current(mut self, place: &Place, recipe: &Recipe) -> bool {
        let known = recipe.sources.iter().all(|(path, _)| self.files.contains_key(path));
        if self.words != recipe.header() || !known || !place.tree.is_dir() {
            return false;
        }
        let mut renewed = false;
        for (path, stamp) in &mut self.files {
            match stamp.compare(path) {
                Ok(Same::Time) => {}
                Ok(Same::Content(time)) => (stamp.time, renewed) = (time, true),
                Ok(Same::Nothing) | Err(_) => return false,
            }
        }
        if renewed {
            let _ = self.write(place); // without it the files are read again next time
        }
        true
    }

    /// Adds the files of another manifest; where both have one, the earlier state stays.
    pub fn with(mut self, other: Manifest) -> Manifest {
        for (path, stamp) in other.files {
            self.files.entry(path).or_insert(stamp);
        }
        self
    }

    /// Marks the place as ours before anything is changed there.
    ///
    /// # Errors
    /// What open(2), write(2) and rename(2) report.
    pub fn mark(place: &Place) -> Result<()> {
        write(place, UNFINISHED.as_bytes())
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// What open(2), write(2) and rename(2) report.
    pub fn write(&self, place: &Place) -> Result<()> {
        let mut bytes = self.words.clone();
        for (path, stamp) in &self.files {
            let fields = [path.as_os_str().as_bytes(), stamp.time.as_bytes()];
            for field in fields.into_iter().chain([stamp.content.as_bytes()]) {
                bytes.push(0);
                bytes.extend_from_slice(field);
            }
        }
        write(place, &bytes)
    }
}

/// In one step, because half a manifest could pass for a whole one.
fn write(place: &Place, bytes: &[u8]) -> Result<()> {
    let draft = place.manifest.with_extension("manifest.draft");
    fs::write(&draft, bytes)
        .and_then(|()| fs::rename(&draft, &place.manifest))
        .with_context(|| format!("write {}", printable(&place.manifest)))
}

/// What a file still has in common with its stamp.
enum Same {
    Time,
    /// The content only; the file has this time now.
    Content(String),
    Nothing,
}

impl Stamp {
    fn of(path: &Path, part: Part) -> Result<Stamp> {
        // The time first: a change in between is noticed next time.
        Ok(Stamp { time: time(path)?, content: content(path, part)? })
    }

    fn compare(&self, path: &Path) -> Result<Same> {
        let time = time(path)?;
        if time == self.time {
            return Ok(Same::Time);
        }
        let part = if self.content.ends_with("loaded") { Part::Loaded } else { Part::Whole };
        let same = content(path, part)? == self.content;
        Ok(if same { Same::Content(time) } else { Same::Nothing })
    }
}

fn time(path: &Path) -> Result<String> {
    let meta = fs::metadata(path).with_context(|| format!("read {}", printable(path)))?;
    let mode = meta.mode() & 0o777;
    Ok(format!("{mode:o} {} {}.{:09}", meta.size(), meta.mtime(), meta.mtime_nsec()))
}

/// A hash of the mode and of the bytes that get into a tree.
fn content(path: &Path, part: Part) -> Result<String> {
    let file = File::open(path).with_context(|| format!("open {}", printable(path)))?;
    let mode = file.metadata()?.mode() & 0o777;
    let mut hasher = Sha256::new();
    let loaded = if part == Part::Loaded { elf::loaded(&file) } else { None };
    match &loaded {
        Some(bytes) => hasher.update(bytes),
        None => copy(&mut io::BufReader::with_capacity(1 << 16, file), &mut hasher)
            .with_context(|| format!("read {}", printable(path)))?,
    }
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{mode:o} {digest} {}", if part == Part::Loaded { "loaded" } else { "" }))
}

fn copy(from: &mut impl io::BufRead, to: &mut Sha256) -> io::Result<()> {
    loop {
        let chunk = from.fill_buf()?;
        if chunk.is_empty() {
            return Ok(());
        }
        to.update(chunk);
        let length = chunk.len();
        from.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Result<(tempfile::TempDir, Place, Recipe)> {
        let dir = tempfile::tempdir()?;
        let place = Place::new(Some(&dir.path().join("tree")), "")?;
        let source = dir.path().join("source");
        fs::create_dir(&place.tree)?;
        fs::write(&source, "1")?;
        let recipe = Recipe { words: "words".into(), sources: vec![(source, Part::Whole)] };
        recipe.stamp(&[])?.write(&place)?;
        Ok((dir, place, recipe))
    }

    fn is_current(place: &Place, recipe: &Recipe) -> bool {
        Manifest::read(place).unwrap().is_current(place, recipe)
    }

    #[test]
    fn a_new_time_is_no_change_and_new_content_is() -> Result<()> {
        let (_dir, place, recipe) = lab()?;
        assert!(is_current(&place, &recipe));
        let before = fs::read(&place.manifest)?;
        File::open(&recipe.sources[0].0)?.set_modified(std::time::UNIX_EPOCH)?;
        assert!(is_current(&place, &recipe));
        assert_ne!(before, fs::read(&place.manifest)?, "the new time is noted");
        fs::write(&recipe.sources[0].0, "2")?;
        assert!(!is_current(&place, &recipe));
        Ok(())
    }

    #[test]
    fn other_words_and_a_missing_tree_are_a_change() -> Result<()> {
        let (_dir, place, mut recipe) = lab()?;
        recipe.words.push('!');
        assert!(!is_current(&place, &recipe));
        let (_dir, place, recipe) = lab()?;
        fs::remove_dir(&place.tree)?;
        assert!(!is_current(&place, &recipe));
        Ok(())
    }

    #[test]
    fn a_missing_source_is_named() {
        let recipe =
            Recipe { words: String::new(), sources: vec![("/nowhere/x.tar".into(), Part::Whole)] };
        let Err(error) = recipe.stamp(&[]) else { panic!("it was read") };
        assert!(format!("{error:#}").contains("/nowhere/x.tar"));
    }
}
