//! What was asked, what was expected and what was found: the stuff that claims are decided by.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::rc::Rc;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// One question to the kernel and its answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Observation {
    /// What was asked, in words: `UTS namespace of the payload`.
    pub what: String,
    /// The answer that the claim expects.
    pub expected: String,
    /// The answer.
    pub found: String,
}

impl Display for Observation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)
    }
}

/// The kernel's answer is not the one that was claimed. Every other error means that the experiment
/// itself went wrong, which proves nothing in either direction.
#[derive(Clone, Debug)]
pub struct Refuted(pub Observation);

impl Display for Refuted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Error for Refuted {}

/// This cannot be tried on this machine, or not by this user: counted as ignored, and printed with
/// its reason.
#[derive(Clone, Debug)]
pub struct Skip(pub String);

impl Display for Skip {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Skip {}

/// Ends an experiment that cannot be tried here.
pub fn skip<T>(reason: impl Into<String>) -> Result<T> {
    Err(Skip(reason.into()).into())
}

/// What happened in the course of an experiment, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<Event>>>);

/// A step of an experiment.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A command that was run, as one would type it.
    Command(String),
    /// A question that was answered as expected.
    Held(Observation),
}

impl Log {
    pub(crate) fn add(&self, event: Event) {
        self.0.borrow_mut().push(event);
    }

    pub(crate) fn take(&self) -> Vec<Event> {
        self.0.take()
    }
}

/// Something found, about to be compared with what was expected.
#[must_use]
pub struct Expect<T> {
    pub(crate) log: Log,
    pub(crate) what: String,
    pub(crate) found: T,
}

impl<T: Debug> Expect<T> {
    /// Holds when the found value is `expected`.
    pub fn equals<U: Debug>(self, expected: U) -> Result<()>
    where
        T: PartialEq<U>,
    {
        let held = self.found == expected;
        self.decide(format!("{expected:?}"), held)
    }

    /// Holds when the found value is not `other`.
    pub fn differs_from<U: Debug>(self, other: U) -> Result<()>
    where
        T: PartialEq<U>,
    {
        let held = self.found != other;
        self.decide(format!("other than {other:?}"), held)
    }

    /// Holds when `condition`, described in words, does.
    pub fn satisfies(self, words: &str, condition: impl FnOnce(&T) -> bool) -> Result<()> {
        let held = condition(&self.found);
        self.decide(words.to_owned(), held)
    }

    fn decide(self, expected: String, held: bool) -> Result<()> {
        let observation =
            Observation { what: self.what, expected, found: format!("{:?}", self.found) };
        if !held {
            return Err(Refuted(observation).into());
        }
        self.log.add(Event::Held(observation));
        Ok(())
    }
}
