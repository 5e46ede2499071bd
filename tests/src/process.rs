//! What the kernel shows of a process, from outside: proc(5).

use std::fmt::{self, Debug, Formatter};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;

use crate::interrupt;

/// A process, by its number where the tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
}

/// Which file something is, whatever its path: device and inode number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// Device number of the file system.
    pub device: u64,
    /// Inode number there.
    pub inode: u64,
}

impl Debug for FileId {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        let (major, minor) = (libc::major(self.device), libc::minor(self.device));
        write!(formatter, "inode {} on device {major}:{minor}", self.inode)
    }
}

impl FileId {
    /// The file that `path` leads to.
    pub fn of(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let metadata = fs::metadata(&path).with_context(|| format!("stat {}", path.display()))?;
        Ok(FileId { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// One line of /proc/PID/mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Device number of the file system: `MAJOR:MINOR`.
    pub device: String,
    /// The directory of the file system that is mounted here.
    pub root: String,
    /// Where it is mounted, seen from the process's root.
    pub point: String,
    /// `shared:N`, `master:N` and the like; empty for a private mount.
    pub propagation: String,
    /// File system type.
    pub fstype: String,
    /// Device or other source.
    pub source: String,
    /// Mount options and those of the file system.
    pub options: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2).map(str::to_owned);
        let mut more = filesystem.split(' ').map(str::to_owned);
        let (device, root) = (fields.next()?, fields.next()?);
        let (point, options) = (fields.next()?, fields.next()?);
        let propagation = fields.collect::<Vec<_>>().join(" ");
        let (fstype, source, of_filesystem) = (more.next()?, more.next()?, more.next()?);
        let options = format!("{options},{of_filesystem}");
        Some(Mount { device, root, point, propagation, fstype, source, options })
    }
}

impl Process {
    fn path(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }

    /// The content of one of its files in /proc.
    pub fn file(self, name: &str) -> Result<String> {
        let path = self.path(name);
        fs::read_to_string(&path).with_context(|| format!("read {path}"))
    }

    /// Which namespace of this kind (`uts`, `mnt`, …) it is in, as namespaces(7) names it:
    /// `uts:[4026531838]`.
    pub fn ns(self, kind: &str) -> Result<String> {
        let path = self.path(&format!("ns/{kind}"));
        let target = fs::read_link(&path).with_context(|| format!("readlink {path}"))?;
        Ok(target.to_string_lossy().into_owned())
    }

    /// A field of /proc/PID/status, with single spaces between its parts.
    pub fn status(self, field: &str) -> Result<String> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let line = line.with_context(|| format!("no field {field} in {}", self.path("status")))?;
        Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Its ids, outermost first, in the PID namespaces that it is in.
    pub fn ns_pids(self) -> Result<Vec<i32>> {
        self.status("NSpid")?.split(' ').map(|pid| pid.parse().context("NSpid")).collect()
    }

    /// A field of /proc/PID/status that is a set of bits, as `CapEff`.
    pub fn bits(self, field: &str) -> Result<u64> {
        u64::from_str_radix(&self.status(field)?, 16)
            .with_context(|| format!("{field} in {}", self.path("status")))
    }

    /// Its mount table.
    pub fn mounts(self) -> Result<Vec<Mount>> {
        let table = self.file("mountinfo")?;
        let mounts: Option<Vec<_>> = table.lines().map(Mount::parse).collect();
        mounts.with_context(|| format!("{} is not as proc(5) says", self.path("mountinfo")))
    }

    /// Which directory it calls `/`.
    pub fn root(self) -> Result<FileId> {
        FileId::of(self.path("root/"))
    }

    /// Which directory it is in.
    pub fn cwd(self) -> Result<FileId> {
        FileId::of(self.path("cwd/"))
    }

    /// A path as this process sees it, for us to open.
    pub fn inside(self, path: &str) -> PathBuf {
        self.path("root/").parse::<PathBuf>().unwrap_or_default().join(path.trim_start_matches('/'))
    }

    /// Its arguments, as they lie in memory: each ends with a NUL.
    pub fn cmdline(self) -> io::Result<Vec<u8>> {
        // In one read: between two it may execute something else.
        let mut cmdline = vec![0; 1 << 17];
        let length = File::open(self.path("cmdline"))?.read(&mut cmdline)?;
        cmdline.truncate(length);
        Ok(cmdline)
    }

    /// Its children and their children, nearest first.
    pub fn descendants(self) -> Vec<Process> {
        let mut found = vec![self];
        let mut next = 0;
        while next < found.len() {
            let children = found[next].children();
            found.extend(children);
            next += 1;
        }
        found.split_off(1)
    }

    /// The kernel lists them for each thread, where it was built to (CONFIG_PROC_CHILDREN). Looking
    /// at every process of a slow machine takes so long that a container has no time to start
    /// meanwhile.
    fn children(self) -> Vec<Process> {
        let Ok(threads) = fs::read_dir(self.path("task")) else { return Vec::new() };
        let lists: io::Result<Vec<_>> = threads
            .flatten()
            .map(|thread| fs::read_to_string(thread.path().join("children")))
            .collect();
        let Ok(lists) = lists else {
            return Process::all()
                .into_iter()
                .filter(|process| process.parent() == Some(self.pid))
                .collect();
        };
        lists
            .join(" ")
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .map(|pid| Process { pid })
            .collect()
    }

    /// All processes of this machine.
    pub fn all() -> Vec<Process> {
        let Ok(directory) = fs::read_dir("/proc") else { return Vec::new() };
        let numbers =
            directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.map(|pid| Process { pid }).collect()
    }

    fn parent(self) -> Option<i32> {
        self.status("PPid").ok()?.parse().ok()
    }

    /// Whether it runs. A zombie does not: it is a number that waits for its parent to read it.
    pub fn runs(self) -> bool {
        self.status("State").is_ok_and(|state| !state.starts_with(['Z', 'X']))
    }
}

/// The processes, zombies excepted, one of whose arguments is `word`.
pub fn processes_with_argument(word: &str) -> Vec<Process> {
    let has_it = |process: &Process| {
        process.cmdline().is_ok_and(|cmdline| {
            cmdline.split(|&byte| byte == 0).any(|argument| argument == word.as_bytes())
        })
    };
    Process::all().into_iter().filter(has_it).collect()
}

/// A handle on a process that never comes to mean another (pidfd_open(2)).
pub(crate) fn pidfd_open(pid: u32) -> Result<OwnedFd> {
    // SAFETY: takes two integers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
        .context("pidfd_open")?;
    // SAFETY: the call returned a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Waits until `condition` holds.
///
/// A slow machine gets more time, and is asked less often, by the factor in the environment's
/// `HARNESS_PATIENCE`. An emulated processor takes some ten times as long for everything, and no
/// claim is about that.
///
/// # Errors
/// When `time` is over.
pub fn wait_until(
    what: &str,
    time: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let time = time * patience();
    let end = Instant::now() + time;
    while !condition()? {
        interrupt::ensure_not()?;
        if Instant::now() > end {
            bail!("{what}: not within {time:?}");
        }
        sleep(PAUSE * patience());
    }
    Ok(())
}

/// Between two questions.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);

/// How much slower than others this machine is said to be.
pub(crate) fn patience() -> u32 {
    std::env::var("HARNESS_PATIENCE")
        .ok()
        .and_then(|factor| factor.parse().ok())
        .unwrap_or(1)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo() {
        let mount = Mount::parse(
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
        );
        let mount = mount.unwrap();
        assert_eq!([&*mount.device, &mount.root, &mount.point], ["98:0", "/mnt1", "/mnt2"]);
        assert_eq!(mount.propagation, "master:1");
        assert_eq!(mount.options, "rw,noatime,rw,errors=continue");
        assert!(Mount::parse("36 35 98:0 /mnt1").is_none());
    }

    #[test]
    fn this_process_runs_and_has_itself_as_its_innermost_number() {
        let own = Process { pid: std::process::id() as i32 };
        assert!(own.runs());
        assert_eq!(own.ns_pids().unwrap().first(), Some(&own.pid));
        assert!(own.status("Nothing").is_err());
    }
}
