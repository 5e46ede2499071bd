//! Reading what the machine shows. An error may have to be explained inside a hostile container,
//! where any path can lead to a FIFO, to an endless device, or to a file of somebody's choice.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::statfs::{
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, PROC_SUPER_MAGIC, SELINUX_MAGIC, SYSFS_MAGIC,
    fstatfs,
};

/// The filesystems whose files the kernel writes.
const KERNELS_OWN: [FsType; 5] =
    [PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, SELINUX_MAGIC];

/// More than a status file, a setting or the head of a program needs.
const PAGE: u64 = 4096;

/// More than the mount table of a busy machine needs.
const MOUNT_TABLE: u64 = 1 << 20;

/// Returns the text of a short file of the kernel's, or nothing if it cannot be read or another
/// file stands in its place.
pub fn read(path: impl AsRef<Path>) -> Option<String> {
    kernel_text(path.as_ref(), PAGE)
}

/// Returns the mount table of a process, one mount a line (proc_pid_mountinfo(5)).
pub fn mount_table(pid: &str) -> Option<String> {
    kernel_text(format!("/proc/{pid}/mountinfo").as_ref(), MOUNT_TABLE)
}

/// Returns a field of a process's status file (proc_pid_status(5)).
pub fn status(pid: &str, field: &str) -> Option<String> {
    let status = read(format!("/proc/{pid}/status"))?;
    let mut lines = status.lines();
    lines.find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

/// Returns the first 4 KiB of a regular file.
pub fn head(path: &Path) -> Option<Vec<u8>> {
    // To open a device may already do something: rewind a tape, start a watchdog.
    fs::metadata(path).ok().filter(|file| file.is_file())?;
    let file = open(path, OFlag::empty())?;
    file.metadata().ok().filter(|file| file.is_file())?; // it may have been exchanged meanwhile
    read_up_to(file, PAGE)
}

fn kernel_text(path: &Path, limit: u64) -> Option<String> {
    let file = open(path, OFlag::O_NOFOLLOW)?;
    let filesystem = fstatfs(&file).ok()?.filesystem_type();
    let text = KERNELS_OWN.contains(&filesystem).then(|| read_up_to(file, limit))??;
    String::from_utf8(text).ok()
}

/// Opens a file without waiting for anybody, and without taking a terminal.
fn open(path: &Path, more: OFlag) -> Option<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | more;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()
}

fn read_up_to(file: File, limit: u64) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(PAGE as usize); // mostly one read(2)
    file.take(limit).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_the_kernels_own_files_are_believed() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, link, fifo) =
            (scratch.path().join("0"), scratch.path().join("link"), scratch.path().join("fifo"));
        fs::write(&file, "0").unwrap();
        symlink("/proc/self/status", &link).unwrap();
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        for path in [&file, &link, &fifo, &"/dev/zero".into(), &"/dev/tty".into()] {
            assert_eq!(read(path), None, "{}", path.display());
        }
        assert!(read("/proc/self/status").is_some());
        assert_eq!(status("self", "Pid"), Some(std::process::id().to_string()));
    }

    #[test]
    fn only_the_head_of_a_regular_file_is_read() {
        let scratch = tempfile::tempdir().unwrap();
        let (file, fifo) = (scratch.path().join("file"), scratch.path().join("fifo"));
        fs::write(&file, vec![b'x'; 10_000]).unwrap();
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert_eq!(head(&file).map(|head| head.len()), Some(4096));
        assert_eq!(head(&fifo), None);
        assert_eq!(head("/dev/zero".as_ref()), None);
    }
}
