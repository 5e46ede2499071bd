//! Finds and removes what an interrupted experiment has left on the machine: processes, control
//! groups, links, mounts and temporary directories of ours, and nothing else. What belongs to a
//! container that runs is left alone.

mod groups;
mod layers;
mod links;
mod mounts;
mod ours;
mod processes;
mod scratch;

use std::path::PathBuf;

use anyhow::{Error, Result};
use nix::errno::Errno;
use nix::unistd::geteuid;

use ours::Ours;

/// Something that was found.
struct Found {
    /// `process 4711 (sleep)`
    what: String,
    /// By what it is known, as the end of a sentence.
    why: String,
    fate: Fate,
}

/// What becomes of it.
enum Fate {
    /// A container that runs has it, or somebody else.
    Left,
    /// It goes, by this call.
    Goes(Box<dyn FnOnce() -> Result<()>>),
}

impl Found {
    fn left(what: String, why: String) -> Self {
        Found { what, why, fate: Fate::Left }
    }

    fn goes(what: String, why: String, how: impl FnOnce() -> Result<()> + 'static) -> Self {
        Found { what, why, fate: Fate::Goes(Box::new(how)) }
    }
}

/// How a sweep ended.
#[derive(Default)]
pub struct Sum {
    /// Removed, or in a dry run: to be removed.
    pub gone: usize,
    /// Still there, though it should not be.
    pub left: usize,
}

/// Finds all things of one kind.
type Find = fn(&Ours) -> Result<Vec<Found>>;

/// What is looked for, in this order: a process keeps a group, a network namespace and a mount in
/// use.
const KINDS: [Find; 6] =
    [processes::find, groups::find, links::find, mounts::find, scratch::find, layers::find];

/// Sweeps the target directory that this program lies in, and further root filesystems. Each thing
/// is reported in a line.
pub fn sweep(rootfs: &[PathBuf], dry_run: bool, mut report: impl FnMut(String)) -> Result<Sum> {
    let mut sum = Sum::default();
    for find in KINDS {
        // Looked at afresh each time: what went before may have freed something.
        for found in find(&Ours::look(rootfs)?)? {
            let fate = match found.fate {
                Fate::Left => "left alone".into(),
                Fate::Goes(_) if dry_run => {
                    sum.gone += 1;
                    "would be removed".into()
                }
                Fate::Goes(remove) => removed(remove(), &mut sum),
            };
            report(format!("{}: {}; {fate}", found.what, found.why));
        }
    }
    Ok(sum)
}

fn removed(result: Result<()>, sum: &mut Sum) -> String {
    match result {
        Ok(()) => {
            sum.gone += 1;
            "removed".into()
        }
        Err(error) => {
            sum.left += 1;
            let root = if needs_root(&error) { ": sudo target/debug/sweep" } else { "" };
            format!("NOT removed: {error:#}{root}")
        }
    }
}

fn needs_root(error: &Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()?.raw_os_error());
    let errno = error.chain().find_map(|cause| cause.downcast_ref::<Errno>()).copied();
    let refused = errno
        .or(io.map(Errno::from_raw))
        .is_some_and(|errno| matches!(errno, Errno::EPERM | Errno::EACCES));
    refused && !geteuid().is_root()
}
