//! What was tried, as a type: the words are for the reader, the operation is for the table of hints.

use std::fmt::{self, Display};

use anyhow::{Context, Error, Result};

/// What a program tries that can fail for a reason which the table of hints knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// chroot(2)
    Chroot,
}

/// The context of an error: an operation, and the words that say on what it was tried.
#[derive(Debug)]
struct Attempt {
    operation: Operation,
    words: String,
}

impl Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Adds to a result what was tried.
pub trait Tried<T, E> {
    /// As [`Context::context`], and the table of hints finds its rows by `operation`, whatever the
    /// words are.
    fn tried(self, operation: Operation, words: impl Display) -> Result<T>;
}

impl<T, E, R: Context<T, E>> Tried<T, E> for R {
    fn tried(self, operation: Operation, words: impl Display) -> Result<T> {
        self.with_context(|| Attempt { operation, words: words.to_string() })
    }
}

/// The operation that failed, where one was named.
#[expect(dead_code, reason = "the table of hints still looks for words")]
pub(crate) fn operation(error: &Error) -> Option<Operation> {
    error.downcast_ref::<Attempt>().map(|attempt| attempt.operation)
}
