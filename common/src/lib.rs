//! What every step needs and no step teaches: the arguments that all of them take, how the payload
//! is executed, and how an error is printed.
//!
//! # Layout
//!
//! - Here: [`Args`], ROOTFS and COMMAND, and the exit codes that are ours ([`mod@exit`]).
//! - `exec`: [`exec()`], the last line of every container, and why it could not be executed.
//! - `failure`: [`run`] begins every program; [`report`] and [`warn`] print an error; a [`Failure`]
//!   is one with an exit code and a hint of its own.
//! - `attempt`: [`Tried`] says of an error which [`Operation`] failed.
//! - [`hints`]: the table of what goes wrong. A row is found by the operation, the kernel's answer
//!   and what the machine shows; [`hint()`] looks for it.
//! - `machine`: reads what the machine shows, in a place where every file may be a trap.
//! - `printable`: [`printable()`], for names that others chose.
//! - [`CHAPTERS`] and [`PROGRAMS`]: the chapters of the course, and the programs that it uses.
//! - `status`: how `make` learns whether the payload was started.
//! - `held`: the tree that a container uses is not removed.
//! - `origin`: whether our `rootfs` built the tree, which decides how a program gets into it.
//!
//! A step's `main` is one closure, which [`run`] calls. What it tries, it names:
//!
//! ```
//! use common::{Operation, Tried};
//!
//! # fn enter(rootfs: &std::path::Path) -> anyhow::Result<()> {
//! nix::unistd::chroot(rootfs)
//!     .tried(Operation::Chroot, format_args!("chroot {}", rootfs.display()))
//! # }
//! ```

mod attempt;
mod chapters;
mod exec;
mod failure;
mod held;
pub mod hints;
mod machine;
mod origin;
mod printable;
mod programs;
mod remove;
mod retry;
mod status;

pub use attempt::{Operation, Tried};
pub use chapters::{CHAPTERS, Chapter};
pub use exec::{exec, exec_keeping_path};
pub use failure::{Failure, errno, print_stderr, report, run, strerror, warn};
pub use hints::hint;
pub use machine::status as process_status;
pub use printable::printable;
pub use programs::{MANAGERS, Manager, Need, PROGRAMS, Program};
pub use remove::remove_tree;
pub use retry::retry;
pub use status::{status_pipe, status_variable};

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Exit codes that are ours and not the payload's: the convention of chroot(1), env(1) and the
/// container runtimes.
pub mod exit {
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// The container could not be set up.
    pub const FAILURE: u8 = 125;
    /// The payload exists and cannot be executed.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// The payload, or the loader that it needs, does not exist.
    pub const NOT_FOUND: u8 = 127;
}

/// The two arguments that all nine steps take, and what `--help` says of all.
#[derive(clap::Args, Debug)]
#[group(skip)]
#[command(about = "Runs COMMAND in a container whose `/` is ROOTFS")]
pub struct Args {
    /// Directory that becomes the container's `/`
    #[arg(value_name = "ROOTFS", value_parser = PathBufValueParser::new().map(named))]
    pub rootfs: PathBuf,

    /// Program to run inside, and its arguments [default: the rootfs's bash, else its sh]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// Takes the path as it was typed, except where it has no last name, as `.` or `/`: a message about
/// `.` would leave open where that is.
fn named(path: PathBuf) -> PathBuf {
    origin::note(&path);
    held::hold(&path);
    match path.file_name() {
        Some(_) => path,
        None => path.canonicalize().unwrap_or(path),
    }
}
