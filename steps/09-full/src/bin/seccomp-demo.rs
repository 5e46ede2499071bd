//! seccomp-demo: the two modes of seccomp, tried on itself. Both end badly, and that is what they
//! are to show.

use std::mem::offset_of;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use common::{Operation, Tried};
use libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_KILL_PROCESS, SECCOMP_SET_MODE_FILTER, SECCOMP_SET_MODE_STRICT, c_uint,
    seccomp_data, sock_filter, sock_fprog,
};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::pipe;

/// Gives up system calls, and then makes one of those
#[derive(Parser)]
struct Args {
    mode: Mode,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Nothing but read, write, _exit and sigreturn (Linux 2.6.12, of 2005)
    Strict,
    /// A program that looks at each call and its arguments (Linux 3.5, of 2012)
    Filter,
}

fn main() -> ExitCode {
    common::run(|args: Args| match args.mode {
        Mode::Strict => strict(),
        Mode::Filter => filter(),
    })
}

fn strict() -> Result<()> {
    let (reader, writer) = pipe().context("pipe")?;
    nix::unistd::write(&writer, b"a word").context("write to a pipe")?;
    say(b"strict: from here on only read, write, _exit and sigreturn\n");
    seccomp(SECCOMP_SET_MODE_STRICT, std::ptr::null())
        .tried(Operation::EnterStrictMode, "seccomp SECCOMP_SET_MODE_STRICT")?;
    say(b"write: works, you are reading it\n");
    // Not even memory can be asked for now: the buffer is on the stack.
    let mut word = [0; 6];
    nix::unistd::read(&reader, &mut word).context("read")?;
    say(b"read: works, there was \"");
    say(&word);
    say(b"\" in a pipe\ngetpid: ...\n");
    // SAFETY: takes no arguments.
    unsafe { libc::syscall(libc::SYS_getpid) };
    say(b"getpid: works, so the kernel let us go on\n");
    bail!("strict mode is not in force")
}

fn filter() -> Result<()> {
    say(b"filter: from here on dup2(1, 2), and no other dup2\n");
    prctl::set_no_new_privs().context("prctl PR_SET_NO_NEW_PRIVS")?;
    let filter = only_dup2(1, 2);
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    seccomp(SECCOMP_SET_MODE_FILTER, &program).context("seccomp SECCOMP_SET_MODE_FILTER")?;
    dup2(1, 2)?;
    say(b"dup2(1, 2): works\n");
    say(b"dup2(2, 42): ...\n");
    dup2(2, 42)?;
    say(b"dup2(2, 42): works, so the kernel let us go on\n");
    bail!("the filter is not in force")
}

// aarch64 has no dup2; dup3 takes the same arguments and flags.
#[cfg(target_arch = "x86_64")]
const DUP2: libc::c_long = libc::SYS_dup2;
#[cfg(target_arch = "aarch64")]
const DUP2: libc::c_long = libc::SYS_dup3;

/// AUDIT_ARCH_… of linux/audit.h: the ELF machine, 64 bits, little-endian.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = libc::EM_X86_64 as u32 | 0xc000_0000;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = libc::EM_AARCH64 as u32 | 0xc000_0000;

/// Dup2 with these arguments, every other call with any: read it from top to bottom.
#[rustfmt::skip]
fn only_dup2(old: u32, new: u32) -> [sock_filter; 10] {
    let args = offset_of!(seccomp_data, args);
    [
        load(offset_of!(seccomp_data, arch)), // the same number is another call on another architecture
        unless_equal(ARCH, 7),                // → kill
        load(offset_of!(seccomp_data, nr)),
        unless_equal(DUP2 as u32, 4),         // → allow
        load(args),
        unless_equal(old, 3),                 // → kill
        load(args + size_of::<u64>()),
        unless_equal(new, 1),                 // → kill
        stop(SECCOMP_RET_ALLOW),
        stop(SECCOMP_RET_KILL_PROCESS),
    ]
}

fn load(offset: usize) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset as u32 }
}

fn unless_equal(value: u32, skip: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: 0, jf: skip, k: value }
}

fn stop(verdict: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: verdict }
}

/// The modes exclude each other: behind a filter there is only a further filter.
fn seccomp(mode: c_uint, program: *const sock_fprog) -> nix::Result<()> {
    // SAFETY: the program, where the mode takes one, outlives the call, which copies it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, program) };
    Errno::result(result).map(drop)
}

fn dup2(old: i32, new: i32) -> Result<()> {
    // SAFETY: only integers; both may be overwritten.
    let result = unsafe { libc::syscall(DUP2, old, new, 0) };
    Errno::result(result).map(drop).with_context(|| format!("dup2({old}, {new})"))
}

/// Writes at once, by one system call and nothing else. That nobody reads it changes nothing.
fn say(text: &[u8]) {
    let _ = nix::unistd::write(std::io::stdout(), text);
}
