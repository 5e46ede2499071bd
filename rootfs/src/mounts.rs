//! Finds what is mounted below a directory.
//!
//! Whoever has tried `mount --bind /dev TREE/dev` and then removes the tree as root removes the
//! devices of the machine.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use common::Failure;

/// Refuses to go on while anything is mounted on or below `dir`.
pub fn refuse(dir: &Path) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    let Some(point) =
        table.lines().filter_map(mount_point).find(|point| is_below(point, &escape(dir)))
    else {
        return Ok(());
    };
    let failure =
        Failure::new(format!("{point} is a mount point, and a new tree is to take its place"));
    Err(failure.hint(format!("unmount it first: sudo umount {point}")).into())
}

/// The fifth word of a line, proc_pid_mountinfo(5).
fn mount_point(line: &str) -> Option<&str> {
    line.split(' ').nth(4)
}

fn is_below(point: &str, dir: &str) -> bool {
    point.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path as the kernel writes it there: what would break the line or the column becomes an octal
/// number.
fn escape(path: &Path) -> String {
    let escaped = path.as_os_str().as_bytes().iter().flat_map(|byte| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    });
    String::from_utf8_lossy(&escaped.collect::<Vec<_>>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_counts() {
        assert!(is_below("/a/b/dev", "/a/b"));
        assert!(is_below("/a/b", "/a/b"));
        assert!(!is_below("/a/bc", "/a/b"));
        assert_eq!(escape(Path::new("/a b\\c")), "/a\\040b\\134c");
    }

    #[test]
    fn a_mount_is_found() {
        assert!(refuse(Path::new("/proc")).is_err());
        assert!(refuse(Path::new("/no/such/directory")).is_ok());
    }
}
