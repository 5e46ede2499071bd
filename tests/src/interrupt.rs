//! Ctrl-C, or the wish of whoever reads the reports: the experiment ends where it waits, and with it
//! its host and its files.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// From here on the first SIGINT or SIGTERM is noted; the second ends this process, as ever.
pub(crate) fn notice() -> Result<()> {
    let flags = SaFlags::SA_RESETHAND | SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::Handler(note), flags, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler stores to an atomic and does nothing else. execve(2) resets it.
        unsafe { sigaction(signal, &action) }.context("sigaction")?;
    }
    Ok(())
}

/// Fails once a signal has come.
pub(crate) fn ensure_not() -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    Ok(())
}
