//! Finds what is mounted below a directory.
//!
//! `mount --bind /dev TREE/dev`, and then the removal of the tree as root: that removes the devices
//! of the machine.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, absolute};

use anyhow::{Context, Result};
use common::{Failure, printable};

/// Refuses to go on while anything is mounted on or below `dir`.
///
/// # Errors
/// Something is, and the hint names it.
pub fn refuse(dir: &Path) -> Result<()> {
    let table = fs::read("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    let dir = escape(&absolute(dir).with_context(|| format!("find {}", printable(dir)))?);
    let mut points = table.split(|byte| *byte == b'\n').filter_map(mount_point);
    let Some(point) = points.find(|point| is_below(point, &dir)) else { return Ok(()) };
    let point = String::from_utf8_lossy(point);
    let point = printable(&*point).to_string();
    let failure = Failure::new(format!("{point} is a mount point, and must not be removed"));
    Err(failure.hint(format!("unmount it first: `sudo umount {point}`")).into())
}

/// The fifth word of a line, proc_pid_mountinfo(5). The crate `procfs` returns it as it is written
/// there, and fails for a table with one name that is not UTF-8.
fn mount_point(line: &[u8]) -> Option<&[u8]> {
    line.split(|byte| *byte == b' ').nth(4)
}

fn is_below(point: &[u8], dir: &[u8]) -> bool {
    point.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A path as the kernel writes it there: a character that would end the line or the column becomes
/// an octal number.
fn escape(path: &Path) -> Vec<u8> {
    let escaped = path.as_os_str().as_bytes().iter().flat_map(|byte| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_counts() {
        assert!(is_below(b"/a/b/dev", b"/a/b"));
        assert!(is_below(b"/a/b", b"/a/b"));
        assert!(!is_below(b"/a/bc", b"/a/b"));
        assert_eq!(escape(Path::new("/a b\\c")), br"/a\040b\134c");
    }

    #[test]
    fn a_mount_is_found() {
        assert!(refuse(Path::new("/proc")).is_err());
        assert!(refuse(Path::new("/no/such/directory")).is_ok());
    }
}
