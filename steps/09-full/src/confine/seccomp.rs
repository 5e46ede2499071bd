//! seccomp: before each system call the kernel runs a small program of ours, which sees the call's
//! number and arguments and says whether it takes place (seccomp(2)).
//!
//! A container shares the kernel with its host, so that a hole in one rarely used call is a way out
//! of all namespaces. What an ordinary program uses is allowed, the rest is not even reached.

use anyhow::{Context, Result};
use clap::ValueEnum;
use common::{Operation, Tried};
use libc::{sock_filter, sock_fprog};
use nix::errno::Errno;
use nix::sys::prctl;
use rustix::thread::CapabilitySet;

mod abi;
mod allowed;
mod calls;
mod checked;
mod filter;
mod granted;
mod program;
mod refused;
mod table;

/// The options that this subject adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// System calls that the container may use
    #[arg(long, value_enum, value_name = "FILTER", default_value_t)]
    seccomp: Choice,

    /// Let set-user-ID programs such as sudo work: a hole in one of them then makes a user inside
    /// root inside
    #[arg(long)]
    new_privileges: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Choice {
    /// Those that ordinary programs use
    #[default]
    Default,
    /// All of them
    Off,
}

/// From here on no execve(2) gives more rights: not by a set-uid bit, not by a file's capabilities.
///
/// Without it only CAP_SYS_ADMIN may load a filter, for a filter that lies to a set-uid program
/// could make it give its rights away.
pub fn no_new_privs() -> Result<()> {
    prctl::set_no_new_privs().context("prctl PR_SET_NO_NEW_PRIVS")
}

impl Options {
    /// Whether programs may give more rights than their caller has.
    pub fn allows_new_privileges(&self) -> bool {
        self.new_privileges
    }

    /// Whether the container runs behind the filter.
    pub fn filters(&self) -> bool {
        matches!(self.seccomp, Choice::Default)
    }
}

/// Puts this process and all its future children behind the filter. There is no way back. The calls
/// that the `kept` capabilities are for take place.
///
/// # Errors
/// EACCES without [`no_new_privs`]; EINVAL where the kernel was built without seccomp filters.
pub fn load(kept: CapabilitySet) -> Result<()> {
    set_filter(&filter::compile(kept))
        .tried(Operation::LoadFilter, "seccomp SECCOMP_SET_MODE_FILTER")
}

fn set_filter(filter: &[sock_filter]) -> nix::Result<()> {
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // Kernels before 5.16 take a filter as a wish for protection from Spectre v4 as well. It slows
    // all programs down, and protects a process only from code within itself. A program that runs
    // foreign code can ask for it (prctl(2), PR_SET_SPECULATION_CTRL). The flag
    // SECCOMP_FILTER_FLAG_LOG is left out: the container could fill the host's log.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the program and the filter that it points to outlive the call, which copies both.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &program) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests;
