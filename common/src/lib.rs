//! What every step needs and no step teaches: the arguments that all of them take, how an error is
//! told, and how the payload is executed.

mod attempt;
mod exec;
mod failure;
pub mod hints;
mod printable;

pub use attempt::{Operation, Tried};
pub use exec::exec;
pub use failure::{Failure, errno, print_stderr, report, run, strerror, warn};
pub use hints::hint;
pub use printable::printable;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Exit codes that are ours and not the payload's; the convention of chroot(1), env(1) and the
/// container runtimes.
pub mod exit {
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// The container could not be set up.
    pub const FAILURE: u8 = 125;
    /// The payload was found and cannot be executed.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// The payload, or the loader that it asks for, was not found.
    pub const NOT_FOUND: u8 = 127;
}

/// The two arguments that all nine steps take.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Args {
    /// Directory that becomes the container's `/`
    #[arg(value_name = "ROOTFS", value_parser = PathBufValueParser::new().map(named))]
    pub rootfs: PathBuf,

    /// Program to run inside, and everything that is to be passed to it [default: the rootfs's
    /// bash, else its sh]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// What is mounted on `.` covers it for all but those who stand there, so such a path is told by
/// its name. Where it leads to nothing, whoever goes there says so.
fn named(path: PathBuf) -> PathBuf {
    match path.file_name() {
        Some(_) => path,
        None => path.canonicalize().unwrap_or(path),
    }
}
