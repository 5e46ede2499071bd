//! How an error is told: what was tried, on what, what the kernel answered, what to do, and the
//! exit code.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write};
use std::process::{ExitCode, Termination};

use anyhow::{Error, Result};
use clap::Parser;
use nix::errno::Errno;

use crate::{Operation, exit, hint};

/// An error that brings its own exit code, and a cure where the table of hints cannot know it.
#[derive(Debug)]
pub struct Failure {
    what: String,
    pub(crate) operation: Option<Operation>,
    cause: Option<Errno>,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// The container could not be set up: exit code 125.
    pub fn new(what: impl Into<String>) -> Self {
        Failure { what: what.into(), operation: None, cause: None, hint: None, code: exit::FAILURE }
    }

    /// The command line asks for something that makes no sense: exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Failure::new(what).code(exit::USAGE)
    }

    /// Nothing to tell: whoever would read it is gone.
    pub fn silent() -> Self {
        Failure::new("")
    }

    /// Ends the program with `code` instead.
    pub fn code(self, code: u8) -> Self {
        Failure { code, ..self }
    }

    /// Names what was tried, so that the table of hints finds its rows.
    pub fn of(self, operation: Operation) -> Self {
        Failure { operation: Some(operation), ..self }
    }

    /// Adds what the kernel answered.
    pub fn because(self, errno: Errno) -> Self {
        Failure { cause: Some(errno), ..self }
    }

    /// Adds what to do about it, where that is not a thing for the table of hints.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Failure { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|errno| errno as _)
    }
}

/// Runs a program with its arguments: on success its exit code, otherwise the error is told on
/// standard error.
pub fn run<Args: Parser, T: Termination>(main: impl FnOnce(Args) -> Result<T>) -> ExitCode {
    match main(Args::parse()) {
        Ok(code) => code.report(),
        Err(error) => report(&error).into(),
    }
}

/// Tells `error` on standard error, with its hints, and returns the exit code that belongs to it.
pub fn report(error: &Error) -> u8 {
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let what: Vec<String> = error.chain().map(describe).filter(|cause| !cause.is_empty()).collect();
    let mut lines = Vec::new();
    if !what.is_empty() {
        lines.push(format!("Error: {}", what.join(": ")));
        lines.extend(
            failure.and_then(|failure| failure.hint.clone()).map(|hint| format!("hint: {hint}")),
        );
        lines.extend(hint(error).map(|hint| format!("hint: {hint}")));
    }
    print_stderr(&lines.join("\n"));
    failure.map_or(exit::FAILURE, |failure| failure.code)
}

/// Tells, with its hint, an error that does not end the program, and what happens instead.
pub fn warn(error: &Error, instead: &str) {
    let what: Vec<String> = error.chain().map(describe).collect();
    let hint = hint(error).map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    print_stderr(&format!("warning: {}; {instead}{hint}", what.join(": ")));
}

/// Writes lines to standard error: at once, so that parent and child do not mix theirs; that nobody
/// reads them is not to change the exit code.
pub fn print_stderr(lines: &str) {
    if !lines.is_empty() {
        let _ = io::stderr().write_all(format!("{lines}\n").as_bytes());
    }
}

/// A cause in words: of an errno only what strerror(3) says.
fn describe(cause: &(dyn StdError + 'static)) -> String {
    errno_of(cause).map_or_else(|| cause.to_string(), strerror)
}

/// An errno in the words of strerror(3), which every other program uses, and so whoever asks about
/// it.
pub fn strerror(errno: Errno) -> String {
    let mut text = io::Error::from(errno).to_string();
    text.truncate(text.rfind(" (os error").unwrap_or(text.len()));
    text
}

/// Returns what the kernel answered, where that is the cause of `error`.
pub fn errno(error: &Error) -> Option<Errno> {
    error.chain().find_map(errno_of)
}

/// The errno that a cause stands for, whether nix, rustix or the standard library reported it.
fn errno_of(cause: &(dyn StdError + 'static)) -> Option<Errno> {
    let io = || cause.downcast_ref::<io::Error>()?.raw_os_error();
    let raw = || Some(cause.downcast_ref::<rustix::io::Errno>()?.raw_os_error());
    let number = || raw().or_else(io).map(Errno::from_raw);
    cause.downcast_ref::<Errno>().copied().or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_failure_brings_its_exit_code_through_any_context() {
        let error = Error::from(Failure::usage("no")).context("outer");
        assert_eq!(report(&error), exit::USAGE);
        assert_eq!(report(&anyhow::anyhow!("other")), exit::FAILURE);
    }

    #[test]
    fn an_errno_is_told_in_the_words_of_strerror() {
        let error = Err::<(), _>(Errno::EPERM).context("write /proc/1/uid_map").unwrap_err();
        let told: Vec<_> = error.chain().map(describe).collect();
        assert_eq!(told, ["write /proc/1/uid_map", "Operation not permitted"]);
        assert_eq!(describe(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(strerror(Errno::EAGAIN), "Resource temporarily unavailable");
    }
}
