//! typist: types on a terminal as if the user did, who then wonders at what his shell runs
//! (TIOCSTI, CVE-2017-5226).

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use common::{Failure, Operation, Tried};
use nix::errno::Errno;

/// Types TEXT and Enter on the terminal that is its standard input, output or error
#[derive(Parser)]
struct Args {
    /// A command, in the hope that a shell will read it
    text: String,
}

fn main() -> ExitCode {
    common::run(|args: Args| {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let standard = [input.as_fd(), output.as_fd(), error.as_fd()];
        let terminal = standard
            .into_iter()
            .find(BorrowedFd::is_terminal)
            .ok_or(Failure::new("no terminal to type on").of(Operation::FindTerminal))?;
        args.text
            .bytes()
            .chain([b'\n'])
            .try_for_each(|key| press(terminal, key))
            .map(|()| ExitCode::SUCCESS)
    })
}

/// EPERM where it is not the controlling terminal; EIO where sysctl dev.tty.legacy_tiocsti is 0
/// (TIOCSTI(2const)).
fn press(terminal: BorrowedFd, key: u8) -> Result<()> {
    // SAFETY: reads one byte, which outlives the call.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSTI, &raw const key) };
    Errno::result(result).map(drop).tried(Operation::TypeOnTerminal, "ioctl TIOCSTI")
}
