//! Where a user's registry is: below /run for root, otherwise in the directory that the session
//! made for such files (XDG_RUNTIME_DIR), and in /tmp where there is no such directory.

use std::env;
use std::ffi::OsString;
use std::fs::read_dir;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{Uid, geteuid, mkdtemp};

use super::Registry;

/// The directory's name; in /tmp with the user's id.
const NAME: &str = "09-full";

const TMP: &str = "/tmp";

impl Registry {
    /// The caller's own, which is made where there is none.
    ///
    /// # Errors
    /// EACCES, EROFS: in no place that we know may this user write.
    pub fn own() -> Result<Registry> {
        let user = geteuid();
        let made = places(user).into_iter().find_map(|place| {
            let place = runtime_directory(&place, user)?;
            let _ = mkdirat(&place, NAME, Mode::S_IRWXU); // it may be there already
            registry(&place, NAME).filter(|registry| registry.owner == user.as_raw())
        });
        made.map_or_else(|| make_in_tmp(user), Ok)
    }

    /// All that the caller may read: an ordinary user their own, root those of others, too.
    pub fn all() -> Vec<Registry> {
        let user = geteuid();
        let users = || read_dir("/run/user").into_iter().flatten().flatten().map(|it| it.path());
        let more: Vec<PathBuf> = if user.is_root() { users().collect() } else { Vec::new() };
        let run = places(user).into_iter().chain(more).filter_map(|place| directory(&place));
        let run = run.filter_map(|place| registry(&place, NAME));
        let mut found: Vec<_> = run.chain(in_tmp(&format!("{NAME}-"))).collect();
        found.retain(|registry| user.is_root() || registry.owner == user.as_raw());
        found.sort_by_key(|registry| registry.id);
        found.dedup_by_key(|registry| registry.id);
        found
    }
}

/// Directories that belong only to the user and last at most until the next boot.
fn places(user: Uid) -> Vec<PathBuf> {
    if user.is_root() {
        return vec!["/run".into()];
    }
    let session = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let session = session.filter(|path| path.is_absolute());
    session.into_iter().chain([format!("/run/user/{user}").into()]).collect()
}

/// Such a directory if it is what it must be: after su(1), XDG_RUNTIME_DIR is another user's.
fn runtime_directory(path: &Path, user: Uid) -> Option<OwnedFd> {
    let directory = directory(path)?;
    let stat = fstat(&directory).ok()?;
    (stat.st_uid == user.as_raw() && stat.st_mode & 0o022 == 0).then_some(directory)
}

/// Anyone can make a directory of this name in /tmp before us. Then ours gets a name that nobody
/// can guess.
fn make_in_tmp(user: Uid) -> Result<Registry> {
    let name = format!("{NAME}-{user}");
    let what = || format!("make a registry of containers: {TMP}/{name}");
    let ours = || in_tmp(&name).find(|registry| registry.owner == user.as_raw());
    if let Some(found) = ours() {
        return Ok(found);
    }
    let tmp = directory(Path::new(TMP)).with_context(what)?;
    match mkdirat(&tmp, name.as_str(), Mode::S_IRWXU) {
        Err(Errno::EEXIST) if ours().is_none() => {
            mkdtemp(&Path::new(TMP).join(format!("{name}.XXXXXX"))).with_context(what)?;
        }
        Err(Errno::EEXIST) => {} // another start of ours came first
        made => made.with_context(what)?,
    }
    ours().with_context(what)
}

/// The registries in /tmp, in the order of their names.
fn in_tmp(prefix: &str) -> impl Iterator<Item = Registry> {
    let entries = read_dir(TMP).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let ours = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(prefix));
    let mut names: Vec<_> = entries.filter(ours).collect();
    names.sort();
    let tmp = directory(Path::new(TMP));
    names.into_iter().filter_map(move |name| registry(tmp.as_ref()?, name.to_str()?))
}

/// A directory in `place` if only its owner can enter it.
fn registry(place: &OwnedFd, name: &str) -> Option<Registry> {
    let directory = open_beneath(place, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY).ok()?;
    let stat = fstat(&directory).ok()?;
    let id = (stat.st_dev, stat.st_ino);
    (stat.st_mode & 0o077 == 0).then_some(Registry { directory, owner: stat.st_uid, id })
}

fn directory(path: &Path) -> Option<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok()
}

/// Opens what lies in `directory` itself: another user's link may lead anywhere, and what they
/// mounted there (FUSE) may never answer. `name` has no slash.
pub fn open_beneath(directory: &impl AsFd, name: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let created = flags.contains(OFlag::O_CREAT);
    let mode = if created { Mode::S_IRUSR | Mode::S_IWUSR } else { Mode::empty() };
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    match openat2(directory, name, OpenHow::new().flags(flags).mode(mode).resolve(resolve)) {
        Err(Errno::ENOSYS) => openat(directory, name, flags, mode), // before Linux 5.6 (openat2(2))
        result => result,
    }
}
