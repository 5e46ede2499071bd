//! Makes one system call and reports what the kernel answered: the exit code is the errno, 0 for
//! success.

use std::env::args;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{chdir, chroot, mkdir, sethostname};

/// Deeper than any directory of a rootfs is.
const DEPTH: usize = 128;

/// `try-call CALL ARGUMENT`; exit code 255 when there is no such call.
fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["open", file] => open(file),
        ["open-write", file] => done(File::options().write(true).open(file)),
        ["unshare-user"] => unshare(CloneFlags::CLONE_NEWUSER),
        ["mount-proc", target] => {
            mount(Some("proc"), target, Some("proc"), MsFlags::empty(), None::<&str>)
        }
        ["unmount", target] => umount(target),
        ["sethostname", name] => sethostname(name),
        ["msgget", key] => msgget(key, 0),
        ["msgget-create", key] => msgget(key, libc::IPC_CREAT | 0o600),
        ["shmget", key] => shmget(key, 0),
        ["shmget-create", key] => shmget(key, libc::IPC_CREAT | 0o600),
        ["mq_open", name] => mq_open(name, libc::O_RDONLY),
        ["mq_open-create", name] => mq_open(name, libc::O_RDWR | libc::O_CREAT),
        ["mount-tmpfs", target] => {
            mount(Some("tmpfs"), target, Some("tmpfs"), MsFlags::empty(), None::<&str>)
        }
        ["mknod-null", path] => mknod(path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)),
        ["bind", port] => done(TcpListener::bind((Ipv4Addr::UNSPECIFIED, number(port)))),
        ["connect", port] => done(TcpStream::connect((Ipv4Addr::LOCALHOST, number(port)))),
        ["bind-abstract", name] => {
            done(abstract_name(name).and_then(|name| UnixListener::bind_addr(&name)))
        }
        ["connect-abstract", name] => {
            done(abstract_name(name).and_then(|name| UnixStream::connect_addr(&name)))
        }
        ["climb-out", file] => climb_out().and_then(|()| open(file)),
        _ => return ExitCode::from(255),
    };
    ExitCode::from(result.err().map_or(0, |errno| errno as i32 as u8))
}

fn open(file: &str) -> nix::Result<()> {
    done(File::open(Path::new(file)))
}

fn number(text: &str) -> u16 {
    text.parse().unwrap_or_default()
}

fn abstract_name(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

fn done<T>(result: io::Result<T>) -> nix::Result<()> {
    result.map(drop).map_err(errno)
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// A new root below the present directory leaves that directory outside: from there `..` ends only
/// at the true `/` (chroot(2)).
fn climb_out() -> nix::Result<()> {
    chdir("/tmp")?;
    let _ = mkdir("jail", Mode::S_IRWXU);
    chroot("jail")?;
    for _ in 0..DEPTH {
        chdir("..")?;
    }
    chroot(".")
}

fn key(text: &str) -> libc::key_t {
    text.parse().unwrap_or_default()
}

fn msgget(name: &str, flags: libc::c_int) -> nix::Result<()> {
    // SAFETY: takes two integers.
    Errno::result(unsafe { libc::msgget(key(name), flags) }).map(drop)
}

fn shmget(name: &str, flags: libc::c_int) -> nix::Result<()> {
    // SAFETY: takes integers.
    Errno::result(unsafe { libc::shmget(key(name), 4096, flags) }).map(drop)
}

fn mq_open(name: &str, flags: libc::c_int) -> nix::Result<()> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    let attributes = std::ptr::null::<libc::mq_attr>();
    // SAFETY: the name ends with a NUL and outlives the call; null asks for the default attributes.
    Errno::result(unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, attributes) }).map(drop)
}
