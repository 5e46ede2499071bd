//! inject-errno: runs a command to which some system calls are refused, as an older kernel, the filter of
//! a container runtime or a security module would refuse them (seccomp(2)), or come late.

use std::ffi::OsString;
use std::mem::{offset_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::str::FromStr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_FILTER_FLAG_NEW_LISTENER,
    SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
    SECCOMP_RET_USER_NOTIF, SECCOMP_SET_MODE_FILTER, SECCOMP_USER_NOTIF_FLAG_CONTINUE,
    seccomp_data, seccomp_notif, seccomp_notif_resp, sock_filter, sock_fprog,
};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, fork};
use syscalls::Sysno;

/// Runs COMMAND, to which and to whose children these system calls are refused
///
/// `inject-errno clone3=ENOSYS close_range=ENOSYS -- target/debug/09-full …` shows how it fares on an old
/// kernel, and `inject-errno mount:3:0xe=EPERM -- …` refuses only the mounts whose argument 3, the flags,
/// is 0xe. `inject-errno openat=5ms -- …` refuses nothing, but makes each of these calls late, as on a
/// machine that is busy at the wrong moment.
#[derive(Parser)]
struct Args {
    /// A system call and the errno of its refusal, or a delay in milliseconds; with ARG, counted
    /// from 0, only where the low half of that is VALUE
    #[arg(required = true, value_name = "CALL[:ARG:VALUE]=ERRNO|DELAYms")]
    changes: Vec<Change>,

    /// The program to run, and its arguments
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

#[derive(Clone)]
struct Change {
    call: Sysno,
    condition: Option<(usize, u32)>,
    to: Fate,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Refused(Errno),
    Late(Duration),
}

fn main() -> Result<()> {
    let args = Args::parse();
    let late = args.changes.iter().find_map(|change| match change.to {
        Fate::Late(delay) => Some(delay),
        Fate::Refused(_) => None,
    });
    let listener = load(&filter(&args.changes), late.is_some())?;
    if let Some((delay, listener)) = late.zip(listener) {
        delay_all(&listener, delay)?;
    }
    let (program, words) = args.command.split_first().context("no command")?;
    Err(Command::new(program).args(words).exec())
        .with_context(|| format!("exec {}", program.display()))
}

/// AUDIT_ARCH_… of linux/audit.h: the ELF machine, 64 bits, little-endian.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = libc::EM_X86_64 as u32 | 0xc000_0000;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = libc::EM_AARCH64 as u32 | 0xc000_0000;

/// One change after the other; what none of them means is allowed.
fn filter(changes: &[Change]) -> Vec<sock_filter> {
    changes.iter().flat_map(Change::instructions).chain([stop(SECCOMP_RET_ALLOW)]).collect()
}

impl Change {
    /// Tests, each of which leads on to the next change where it fails, and the verdict.
    fn instructions(&self) -> Vec<sock_filter> {
        let argument =
            |(arg, value)| (offset_of!(seccomp_data, args) + size_of::<u64>() * arg, value);
        let call = [
            (offset_of!(seccomp_data, arch), ARCH),
            (offset_of!(seccomp_data, nr), self.call.id() as u32),
        ];
        let tests: Vec<_> = call.into_iter().chain(self.condition.map(argument)).collect();
        let left = |number: usize| 2 * (tests.len() - 1 - number) + 1; // what stands behind a test, with the verdict
        let both =
            |(number, &(offset, value))| [read(offset), unless_equal(value, left(number) as u8)];
        let verdict = stop(match self.to {
            Fate::Refused(errno) => SECCOMP_RET_ERRNO | errno as u32,
            Fate::Late(_) => SECCOMP_RET_USER_NOTIF,
        });
        tests.iter().enumerate().flat_map(both).chain([verdict]).collect()
    }
}

fn read(offset: usize) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset as u32 }
}

fn unless_equal(value: u32, skip: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: 0, jf: skip, k: value }
}

fn stop(verdict: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: verdict }
}

/// As CAP_SYS_ADMIN without no_new_privs, so that set-user-ID programs such as newuidmap still
/// work; else with it. Returns what describes the calls that are to be late, if any are.
fn load(filter: &[sock_filter], late: bool) -> Result<Option<OwnedFd>> {
    let flags = if late { SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    let loaded = match set(filter, flags) {
        Err(Errno::EACCES) => {
            prctl::set_no_new_privs().context("prctl PR_SET_NO_NEW_PRIVS")?;
            set(filter, flags).context("seccomp")
        }
        result => result.context("seccomp"),
    }?;
    // SAFETY: with this flag the call returns a new descriptor, which nobody else has.
    Ok(late.then(|| unsafe { OwnedFd::from_raw_fd(loaded as i32) }))
}

fn set(filter: &[sock_filter], flags: libc::c_ulong) -> nix::Result<libc::c_long> {
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program and the filter that it points to outlive the call, which copies both.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) };
    Errno::result(result)
}

/// In a process of its own, which lasts as long as this one: lets each call go on after a moment
/// (seccomp_unotify(2)).
fn delay_all(listener: &OwnedFd, delay: Duration) -> Result<()> {
    // SAFETY: this process has one thread.
    if let ForkResult::Parent { .. } = unsafe { fork() }.context("fork")? {
        return Ok(());
    }
    prctl::set_pdeathsig(Signal::SIGKILL).context("prctl PR_SET_PDEATHSIG")?;
    loop {
        // SAFETY: it consists of numbers. The kernel asks for zeros.
        let mut call: seccomp_notif = unsafe { zeroed() };
        // SAFETY: the descriptor is a listener, and the request has its type.
        unsafe { libc::ioctl(listener.as_raw_fd(), SECCOMP_IOCTL_NOTIF_RECV, &mut call) };
        sleep(delay);
        let go_on = SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        let mut answer = seccomp_notif_resp { id: call.id, val: 0, error: 0, flags: go_on };
        // SAFETY: as above. That the caller was killed meanwhile changes nothing.
        unsafe { libc::ioctl(listener.as_raw_fd(), SECCOMP_IOCTL_NOTIF_SEND, &mut answer) };
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (call, name) = text.rsplit_once('=').ok_or("CALL=ERRNO, as in clone3=ENOSYS")?;
        let errno = (1..4096).map(Errno::from_raw).find(|errno| format!("{errno:?}") == name);
        let delay = name.strip_suffix("ms").and_then(|delay| delay.parse().ok());
        let late = delay.map(|delay| Fate::Late(Duration::from_millis(delay)));
        let mut words = call.split(':');
        let call = words.next().unwrap_or_default();
        let condition = match (words.next().map(number), words.next().map(number), words.next()) {
            (None, None, None) => None,
            (Some(Some(arg @ 0..6)), Some(Some(value)), None) => Some((arg as usize, value)),
            _ => return Err("CALL:ARG:VALUE=ERRNO, with two numbers and six arguments".into()),
        };
        Ok(Change {
            call: call.parse().map_err(|_| format!("no system call {call}"))?,
            condition,
            to: errno.map(Fate::Refused).or(late).ok_or_else(|| format!("no errno {name}"))?,
        })
    }
}

fn number(text: &str) -> Option<u32> {
    text.strip_prefix("0x")
        .map_or_else(|| text.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok())
}
