//! The title of process 1: what ps(1) shows of it.

use std::slice;

use anyhow::{Context, Result};
use nix::sys::prctl;
use procfs::FromRead;
use procfs::process::Stat;

/// Where the kernel finds the command line of this process and of its children.
pub struct Title {
    start: u64,
    end: u64,
}

impl Title {
    /// Finds it, while /proc is the host's (proc_pid_stat(5)).
    pub fn find() -> Result<Title> {
        let stat = Stat::from_file("/proc/self/stat").context("read /proc/self/stat")?;
        let (start, end) = (stat.arg_start.unwrap_or(0), stat.arg_end.unwrap_or(0));
        Ok(Title { start, end })
    }

    /// Replaces the command line of this process, a copy of the launcher: everybody inside can read
    /// it, and it has paths of the host and secrets of `--env`.
    pub fn set(&self, title: &str) -> Result<()> {
        let name = std::ffi::CString::new(title)?;
        prctl::set_name(&name).context("prctl PR_SET_NAME")?;
        let length = self.end.saturating_sub(self.start) as usize;
        if length > 0 {
            // SAFETY: the kernel has put the arguments of main() there, writable and for as long as
            // the process lives. Nothing refers to them any more: what is left of them are copies.
            let line = unsafe { slice::from_raw_parts_mut(self.start as *mut u8, length) };
            let shown = title.len().min(length - 1);
            line.fill(0);
            line[..shown].copy_from_slice(&title.as_bytes()[..shown]);
        }
        Ok(())
    }
}
