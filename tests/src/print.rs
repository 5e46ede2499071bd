//! How results are printed for a person.

use std::io::{IsTerminal, stdout};

use nix::sys::signal::{SigHandler, Signal, signal};

/// In a colour (ECMA-48, SGR), where a person is reading.
pub fn paint(colour: &str, text: &str) -> String {
    let person = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if person { format!("\x1b[{colour}m{text}\x1b[m") } else { text.to_owned() }
}

/// Lets this program end without a word when nobody reads on: `make escape-01 | head`.
pub fn restore_sigpipe() {
    // SAFETY: SIG_DFL runs no code. Rust's runtime ignores SIGPIPE.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}
