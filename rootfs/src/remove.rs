//! Removes trees with everything that containers can leave in them.
//!
//! | what is left | who can remove it |
//! |---|---|
//! | files and directories of the caller, whatever their modes | the caller, after chmod(2) |
//! | files of subordinate ids (step 09, unpacked images) | root of a user namespace with these ids |
//! | files of root in the caller's directories | the caller, because the directory decides |
//! | directories of root with something in them (steps 01 to 04) | root |

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Result;
use common::{Failure, printable, remove_tree};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fchmod};

use crate::{mounts, owners};

/// Removes a directory and everything in it; a missing one is fine.
///
/// # Errors
/// Something is mounted in it, or another user owns a directory in it: the hint says how to go on.
pub fn remove(path: &Path) -> Result<()> {
    mounts::refuse(path)?;
    match attempts(path) {
        Ok(()) => Ok(()),
        Err(error) => {
            let what = printable(path).to_string();
            let failure = Failure::new(format!("remove {what}: {}", first_line(&error)));
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => format!(
                    "`find {what} ! -user $USER -ls` shows what belongs to others, such as root after a \
                     container of step 01: `sudo rm -rf --one-file-system {what}`"
                ),
                _ => format!("`ls -lR {what}` shows what remains"),
            };
            Err(failure.hint(hint).into())
        }
    }
}

/// Tries with the rights at hand, then with subordinate ids.
fn attempts(path: &Path) -> io::Result<()> {
    match remove_tree(path) {
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied
                && owners::enter_namespace().unwrap_or(false) =>
        {
            remove_tree(path)
        }
        done => done,
    }
}

fn first_line(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(
        || error.to_string(),
        |number| common::strerror(nix::errno::Errno::from_raw(number)),
    )
}

/// Makes a new directory that only the caller may change, with this mode whatever the umask is.
///
/// # Errors
/// What mkdir(2) reports; EEXIST is one.
pub fn create_directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir(path)?;
    let dir = open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok(fchmod(dir.as_fd(), Mode::from_bits_truncate(mode))?)
}
