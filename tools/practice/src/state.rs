//! What practice remembers, and the versions that it keeps: in git's own directory, where `make
//! clean` does not reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::declaration::{Chapter, Exercise};

/// The memory.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct State {
    /// The course's commit: the original for everything.
    pub course: Option<String>,
    /// The exercise that the learner is in.
    pub open: Option<Open>,
    /// Which were solved, as `02-pid/wait`.
    pub solved: BTreeSet<String>,
    /// How many hints were shown.
    pub hints: BTreeMap<String, usize>,
    /// How many versions were kept aside.
    pub kept: u32,
}

/// The exercise that the learner is in.
#[derive(Clone, Deserialize, Serialize)]
pub struct Open {
    /// The step.
    pub step: String,
    /// The exercise's name.
    pub exercise: String,
    /// The files that are practice's own until it is solved or reset.
    pub files: Vec<PathBuf>,
    /// Whether it has been seen to hold.
    pub solved: bool,
    /// Whether its files are the course's, since a bug did not fit the learner's.
    #[serde(default)]
    pub in_courses_text: bool,
    /// The course's commit when it began.
    #[serde(default)]
    pub course: Option<String>,
}

/// The directory with the memory, locked.
pub struct Store {
    /// Where it is.
    pub directory: PathBuf,
    /// The memory.
    pub state: State,
    _lock: Flock<File>,
}

impl Store {
    /// Reads the memory, and keeps others from it.
    pub fn open(directory: &Path) -> Result<Store> {
        fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
        let lock = directory.join("lock");
        let file = File::options().create(true).append(true).open(&lock);
        let file = file.with_context(|| format!("open {}", lock.display()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno);
        let lock = lock.context("flock")?;
        let path = directory.join("state.json");
        let state = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| {
                format!("{} cannot be understood; move it away to begin anew", path.display())
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        Ok(Store { directory: directory.to_owned(), state, _lock: lock })
    }

    /// Writes the memory.
    pub fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.state)? + "\n";
        write(&self.directory.join("state.json"), text)
    }

    /// The version of a file from before the open exercise.
    pub fn before(&self, path: &Path) -> PathBuf {
        self.directory.join("before").join(path)
    }

    /// The version that a solved exercise left.
    pub fn settled(&self, path: &Path) -> PathBuf {
        self.directory.join("settled").join(path)
    }

    /// Keeps copies of files aside for good. Returns where they are.
    pub fn keep(&mut self, top: &Path, files: &[PathBuf], why: &str) -> Result<PathBuf> {
        self.state.kept += 1;
        let mut place = self.directory.join("kept").join(format!("{:04}-{why}", self.state.kept));
        while place.exists() {
            self.state.kept += 1; // the memory was lost, the versions were not
            place = self.directory.join("kept").join(format!("{:04}-{why}", self.state.kept));
        }
        for path in files.iter().filter(|path| top.join(path).exists()) {
            let bytes = fs::read(top.join(path)); // whatever it is: a learner's file may be broken
            write(&place.join(path), bytes.with_context(|| format!("read {}", path.display()))?)?;
        }
        self.save()?;
        Ok(place)
    }
}

/// How the memory names an exercise.
pub fn key(chapter: &Chapter, exercise: &Exercise) -> String {
    format!("{}/{}", chapter.step, exercise.text.name)
}

/// Reads a file of the learner's.
///
/// # Errors
/// A link is refused: what it leads to is not the course's.
pub fn read(path: &Path) -> Result<String> {
    let what = || format!("read {}", path.display());
    let metadata = fs::symlink_metadata(path).with_context(what)?;
    ensure!(metadata.is_file(), "{} is not a regular file", path.display());
    fs::read_to_string(path).with_context(what)
}

/// Writes a file so that at every moment it is the old one or the new one.
pub fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    let what = || format!("write {}", path.display());
    ensure!(!path.components().any(|part| part == Component::ParentDir), "{}: ..", path.display());
    let directory = path.parent().with_context(what)?;
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    let mode = match fs::symlink_metadata(path) {
        Ok(metadata) => {
            ensure!(metadata.is_file(), "{} is not a regular file", path.display());
            metadata.permissions().mode()
        }
        Err(_) => 0o644,
    };
    let mut file =
        tempfile::Builder::new().prefix(".practice").tempfile_in(directory).with_context(what)?;
    file.write_all(text.as_ref()).with_context(what)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).with_context(what)?;
    file.as_file().sync_all().with_context(what)?;
    file.persist(path).with_context(what)?;
    Ok(())
}
