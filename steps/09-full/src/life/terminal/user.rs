//! The user's terminal: what the launcher reads keys from, and what it shows output on.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;

use super::keyboard::{Keyboard, Mode, reopen};
use super::pty::terminals;

/// The user's terminal, opened once more while paths mean what they mean outside.
pub struct User {
    /// None where standard input is not a terminal: output is shown, and nothing typed.
    pub keyboard: Option<Keyboard>,
    /// Where output is shown.
    pub screen: File,
}

impl User {
    /// None where no standard file is a terminal.
    pub fn new() -> Result<Option<User>> {
        let input = terminals().find(|terminal| terminal.as_raw_fd() == 0);
        let output = terminals().find(|terminal| terminal.as_raw_fd() != 0);
        let Some(screen) = output.or(input) else { return Ok(None) };
        let mode = if User::is_in_pipeline() { Mode::Lines } else { Mode::Raw };
        let keyboard = input.map(|input| Keyboard::new(input, mode)).transpose()?;
        Ok(Some(User { keyboard, screen: reopen(screen)? }))
    }

    /// Whether standard input is a terminal and standard output is not: then it is not ours alone.
    pub fn is_in_pipeline() -> bool {
        let is = |number| terminals().any(|terminal| terminal.as_raw_fd() == number);
        is(0) && !is(1)
    }
}
