//! Standard input, output and error: programs open them by name, as /dev/stdout.

use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;

use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Gid, Uid, fchown};
use user::Ids;

/// Gives pipes among the standard files to the container's root, which may then open them again.
///
/// A terminal is replaced by one of the container's own. A regular file belongs to the host, also
/// when it is open here, and keeps its owner.
pub fn hand_over(ids: &Ids) {
    let root = |maps| super::outside(maps, 0);
    let (Some(uid), Some(gid)) = (root(&ids.uids), root(&ids.gids)) else { return };
    for file in [stdin().as_fd(), stdout().as_fd(), stderr().as_fd()] {
        let kind = fstat(file).map(|file| SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT);
        if matches!(kind, Ok(SFlag::S_IFIFO | SFlag::S_IFSOCK)) {
            // Somebody else's pipe stays theirs: then it can be used, and not opened again.
            let _ = fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        }
    }
}
