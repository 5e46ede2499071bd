//! How an error is printed: what was tried, on what, what the kernel answered, what to do; and the
//! exit code.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use anyhow::{Error, Result};
use clap::Parser;
use nix::errno::Errno;

use crate::attempt::failure;
use crate::{Operation, exit, hint, printable};

/// An error that brings its own exit code, and a cure where the table of hints cannot know it.
#[derive(Debug)]
pub struct Failure {
    what: String,
    pub(crate) operation: Option<Operation>,
    pub(crate) file: Option<PathBuf>,
    cause: Option<Errno>,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// The container could not be set up: exit code 125.
    pub fn new(what: impl Into<String>) -> Self {
        Failure {
            what: what.into(),
            operation: None,
            file: None,
            cause: None,
            hint: None,
            code: exit::FAILURE,
        }
    }

    /// The command line asks for something that makes no sense: exit code 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Failure::new(what).code(exit::USAGE)
    }

    /// Nothing is printed, because the process that would read it is gone.
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

    /// Names the file that was tried, so that a row can look at it.
    pub fn on(self, file: impl Into<PathBuf>) -> Self {
        Failure { file: Some(file.into()), ..self }
    }

    /// Adds what the kernel answered.
    pub fn because(self, errno: Errno) -> Self {
        Failure { cause: Some(errno), ..self }
    }

    /// Adds what to do about it, where the table of hints cannot know it.
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

/// Runs a program with its arguments, and returns its exit code. An error is printed to standard
/// error.
pub fn run<Args: Parser, T: Termination>(main: impl FnOnce(Args) -> Result<T>) -> ExitCode {
    match main(Args::parse()) {
        Ok(code) => code.report(),
        Err(error) => report(&error).into(),
    }
}

/// Prints `error` to standard error, with its hint, and returns its exit code.
pub fn report(error: &Error) -> u8 {
    let failure = failure(error);
    let what = describe_all(error);
    if !what.is_empty() {
        print_stderr(&format!("Error: {what}{}", hint_line(error)));
    }
    failure.map_or(exit::FAILURE, |failure| failure.code)
}

/// Prints, with its hint, an error that does not end the program, and what happens instead.
pub fn warn(error: &Error, instead: &str) {
    print_stderr(&format!("warning: {}; {instead}{}", describe_all(error), hint_line(error)));
}

/// Prints lines to standard error, in one piece, so that a parent and its child do not mix theirs.
/// Nobody may be reading: that does not change the exit code.
pub fn print_stderr(lines: &str) {
    let _ = io::stderr().write_all(format!("{lines}\n").as_bytes());
}

/// The causes of an error in one line. Names in it may be anybody's.
fn describe_all(error: &Error) -> String {
    let causes = error.chain().map(describe).filter(|cause| !cause.is_empty());
    printable(&causes.collect::<Vec<_>>().join(": ")).to_string()
}

/// A line with what to do: what the failure itself knows, else what the table of hints does.
fn hint_line(error: &Error) -> String {
    let own = failure(error).and_then(|failure| failure.hint.as_deref());
    own.or_else(|| hint(error))
        .map_or_else(String::new, |hint| format!("\nhint: {}", printable(hint)))
}

/// A cause in words; an errno in those of strerror(3) only.
fn describe(cause: &(dyn StdError + 'static)) -> String {
    errno_of(cause).map_or_else(|| cause.to_string(), strerror)
}

/// Returns an errno in the words of strerror(3): other programs use them too, so a search finds
/// them.
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
    fn what_others_named_does_not_reach_the_terminal_raw() {
        let error = anyhow::anyhow!("open \u{1b}[2J\nok").context("read");
        assert_eq!(describe_all(&error), r"read: open \u{1b}[2J\nok");
    }

    #[test]
    fn an_errno_is_printed_in_the_words_of_strerror() {
        let error = Err::<(), _>(Errno::EPERM).context("write /proc/1/uid_map").unwrap_err();
        let words: Vec<_> = error.chain().map(describe).collect();
        assert_eq!(words, ["write /proc/1/uid_map", "Operation not permitted"]);
        assert_eq!(describe(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(strerror(Errno::EAGAIN), "Resource temporarily unavailable");
    }
}
