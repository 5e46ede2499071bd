//! What is inherited from the launcher, and what the kernel shows of the machine.

use std::fs::{self, File};
use std::io::Read;

use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::{Attack, Attempt, Decoys, Stop, attack, call, gained, nothing, proc, sys};

const MASK: &str = "a mask: /dev/null or an empty directory lies over it";
const ROOTS: &str =
    "a user namespace, because it is for the host's root only, and then a mask over it";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "open-descriptor",
        "",
        "reads from a descriptor that the launcher had open",
        "close_range(2)",
        |_| {
            let mut byte = 0_u8;
            // SAFETY: `byte` outlives the call; the descriptor need not be open.
            let count = unsafe { libc::pread(DESCRIPTOR, (&raw mut byte).cast(), 1, 0) };
            call("read a byte", count as libc::c_long)
        },
    ),
    attack(
        "environment",
        "",
        "reads a password from the launcher's environment",
        "a new environment",
        |_| match std::env::var(SECRET) {
            Ok(value) => gained(format!("`{value}`")),
            Err(_) => nothing("not there"),
        },
    ),
    attack(
        "session-key",
        "",
        "reads a key from the keyring of the launcher's login session",
        "a session keyring of its own",
        session_key,
    ),
    attack("interrupts", "", "counts keystrokes and packets in /proc/interrupts", MASK, |_| {
        content("/proc/interrupts")
    }),
    attack(
        "keys",
        "",
        "lists the keys of others in /proc/keys",
        "a user namespace hides root's keys, and a mask a user's",
        |_| content("/proc/keys"),
    ),
    attack(
        "timer-list",
        "",
        "lists the timers of all processes in /proc/timer_list",
        ROOTS,
        |_| content("/proc/timer_list"),
    ),
    attack(
        "kernel-addresses",
        "",
        "learns where in memory the kernel is from /proc/kallsyms",
        ROOTS,
        |_| {
            proc()?;
            let mut head = String::new();
            File::open("/proc/kallsyms")?.take(16).read_to_string(&mut head)?;
            if head.trim_matches('0').trim().is_empty() {
                nothing("zeros, or nothing")
            } else {
                gained(head)
            }
        },
    ),
    attack("kernel-memory", "", "opens the kernel's memory in /proc/kcore", ROOTS, |_| {
        content("/proc/kcore")
    }),
    attack(
        "vmallocinfo",
        "",
        "reads what the kernel has in its memory from /proc/vmallocinfo",
        ROOTS,
        |_| content("/proc/vmallocinfo"),
    ),
    attack("firmware", "", "looks at the machine's firmware in /sys/firmware", MASK, |_| {
        directory("/sys/firmware")
    }),
    attack(
        "power",
        "CVE-2020-8694",
        "measures what others compute by the power that it takes",
        MASK,
        |_| directory("/sys/devices/virtual/powercap"),
    ),
    attack(
        "kernel-log",
        "",
        "asks for the kernel's log: syslog(2)",
        "a user namespace, in which CAP_SYSLOG does not count, and then the filter",
        |_| {
            const SIZE_UNREAD: libc::c_int = 9;
            // SAFETY: this command writes nothing to the buffer.
            call("it may", unsafe { libc::klogctl(SIZE_UNREAD, std::ptr::null_mut(), 0) }.into())
        },
    ),
    attack(
        "capabilities",
        "",
        "can get capabilities that are dangerous",
        "the bounding set",
        |_| {
            // SAFETY: takes integers.
            let has =
                |bit: &&libc::c_ulong| unsafe { libc::prctl(libc::PR_CAPBSET_READ, **bit) } == 1;
            let count = DANGEROUS.iter().filter(has).count();
            if count > 0 {
                gained(format!("{count} of {}", DANGEROUS.len()))
            } else {
                nothing("none")
            }
        },
    ),
    attack(
        "new-privileges",
        "",
        "may gain privileges when it executes a program",
        "no_new_privs",
        |_| {
            // SAFETY: takes integers.
            let set = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) };
            if set == 0 { gained("no_new_privs is off") } else { nothing("no_new_privs is on") }
        },
    ),
    attack(
        "set-uid",
        "",
        "brings along a set-user-ID program that works",
        "nosuid, or no_new_privs",
        |_| {
            // SAFETY: takes integers.
            let set = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) } == 1;
            let nosuid = statvfs("/")?.flags().contains(FsFlags::ST_NOSUID);
            if set || nosuid {
                nothing("it would be a program as any other")
            } else {
                gained("it would change the id")
            }
        },
    ),
];

/// A descriptor that the launcher has open.
pub const DESCRIPTOR: i32 = 9;

/// A variable in the launcher's environment.
pub const SECRET: &str = "PASSWORD";

/// A key in the launcher's session keyring: of type `user`.
pub const KEY: &std::ffi::CStr = c"decoy";

/// What docker and runc call dangerous: SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT,
/// SYS_TIME, MAC_OVERRIDE, MAC_ADMIN, SYSLOG, PERFMON, BPF, CHECKPOINT_RESTORE, and NET_ADMIN
/// (linux/capability.h).
const DANGEROUS: [libc::c_ulong; 13] = [12, 16, 17, 19, 21, 22, 25, 32, 33, 34, 38, 39, 40];

fn session_key(_: &Decoys) -> Attempt {
    const SEARCH: libc::c_int = 10;
    const SESSION: libc::c_int = -3;
    // SAFETY: the strings outlive the call.
    let key = unsafe {
        libc::syscall(libc::SYS_keyctl, SEARCH, SESSION, c"user".as_ptr(), KEY.as_ptr(), 0)
    };
    call("found it", key)
}

/// Opens a file and reads its beginning.
fn content(path: &str) -> Attempt {
    proc()?;
    let count = File::open(path)?.read(&mut [0; 64])?;
    if count > 0 { gained("not empty") } else { nothing("empty") }
}

fn directory(path: &str) -> Attempt {
    sys()?;
    match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => gained("not empty"),
        Ok(false) => nothing("empty"),
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {
            Err(Stop::Untried("this machine has none".into()))
        }
        Err(error) => Err(error.into()),
    }
}
