//! The host's processes, name, queues and terminal.

use std::ffi::CString;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, gethostname, sethostname};

use super::{Attack, Attempt, Decoys, Stop, attack, call, gained, nothing, proc};

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "signal-process",
        "",
        "sends a process of the host a signal",
        "a PID namespace",
        |decoys| {
            kill(Pid::from_raw(decoys.number("pid")?), None)?;
            gained("kill(2) finds it")
        },
    ),
    attack(
        "list-processes",
        "",
        "reads what a process of the host was started with",
        "a PID namespace",
        |decoys| {
            proc()?;
            let cmdline = std::fs::read(format!("/proc/{}/cmdline", decoys.get("pid")?))?;
            gained(format!("{} bytes of its arguments", cmdline.len()))
        },
    ),
    attack(
        "read-memory",
        "",
        "reads the memory of a process of the host: process_vm_readv(2)",
        "a PID namespace",
        read_memory,
    ),
    attack("ptrace", "", "traces a process of the host: ptrace(2)", "a PID namespace", |decoys| {
        let (pid, none) = (decoys.number::<libc::pid_t>("pid")?, 0);
        // SAFETY: takes integers; the process is let go when this one ends.
        call("traced", unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, none, none) })
    }),
    attack("rename-host", "", "calls sethostname(2)", "a UTS namespace", |decoys| {
        if !decoys.shares("uts")? {
            return nothing("a name of its own");
        }
        sethostname(gethostname()?)?; // the name that it has
        gained("the host could get another name")
    }),
    attack(
        "message-queue",
        "",
        "finds a System V message queue of the host",
        "an IPC namespace",
        |decoys| {
            // SAFETY: takes two integers.
            call("found", unsafe { libc::msgget(decoys.number("key")?, 0) }.into())
        },
    ),
    attack(
        "shared-memory",
        "",
        "finds System V shared memory of the host",
        "an IPC namespace",
        |decoys| {
            // SAFETY: takes integers.
            call("found", unsafe { libc::shmget(decoys.number("key")?, 0, 0) }.into())
        },
    ),
    attack(
        "posix-queue",
        "",
        "opens a POSIX message queue of the host",
        "an IPC namespace",
        |decoys| {
            let name =
                CString::new(format!("/{}", decoys.get("queue")?)).map_err(|_| Errno::EINVAL)?;
            // SAFETY: the name ends with a NUL and outlives the call.
            call("open", unsafe { libc::mq_open(name.as_ptr(), libc::O_RDONLY) }.into())
        },
    ),
    attack(
        TERMINAL,
        "CVE-2017-5226",
        "types a character into the terminal that the launcher was started from: ioctl TIOCSTI",
        "a terminal of its own",
        terminal,
    ),
];

/// The attack that needs a terminal as its standard input.
pub const TERMINAL: &str = "terminal";

fn read_memory(decoys: &Decoys) -> Attempt {
    let mut byte = 0_u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: decoys.number::<usize>("address")? as *mut _, iov_len: 1 };
    let pid = decoys.number("pid")?;
    // SAFETY: the kernel checks the remote address, and `byte` outlives the call.
    call("read a byte", unsafe { libc::process_vm_readv(pid, &local, 1, &remote, 1, 0) }
        as libc::c_long)
}

fn terminal(decoys: &Decoys) -> Attempt {
    let Ok(terminal) = nix::sys::stat::fstat(std::io::stdin()) else {
        return nothing("no standard input");
    };
    if !nix::unistd::isatty(std::io::stdin())? {
        return nothing("standard input is not a terminal");
    }
    if decoys.get("terminal")? != format!("{}:{}", terminal.st_dev, terminal.st_ino) {
        return nothing("a terminal of its own");
    }
    // SAFETY: TIOCSTI reads one byte, which outlives the call (ioctl_tty(2)).
    match Errno::result(unsafe { libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()) }) {
        Err(Errno::EIO) => Err(Stop::Untried(
            "this kernel has no TIOCSTI: sysctl dev.tty.legacy_tiocsti is 0".into(),
        )),
        result => call("typed a character", result?.into()),
    }
}
