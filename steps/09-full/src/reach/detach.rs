//! In the background: the launcher leaves the terminal and its session, and a second process keeps
//! what the container prints and its exit code.
//!
//! There is no daemon: each container has a keeper of its own, the launcher's parent, which ends
//! after it. The command that was typed waits until the payload is executed, so that an error of
//! the start is seen where it was typed, and has its exit code.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, setsid};

use keeper::Keeper;

mod keeper;

/// The option that belongs to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Start the container in the background, and print its name: `containers logs NAME` shows what
    /// it prints, `containers stop NAME` ends it, `containers wait NAME` waits for its end
    #[arg(long)]
    detach: bool,
}

/// With `--detach`, returns in the new launcher; otherwise at once. Comes before anything that a
/// process has for itself, such as a lock.
pub fn into_background(options: &Options) -> Result<()> {
    if !options.detach {
        return Ok(());
    }
    let (here, typed) = UnixStream::pair().context("socketpair")?;
    // SAFETY: this process has one thread, here and below.
    if let ForkResult::Parent { .. } = unsafe { fork() }.context("fork")? {
        drop(typed);
        process::exit(wait_for_start(here).into());
    }
    drop(here);
    setsid().context("setsid")?; // the end of the user's shell and Ctrl-C are not for us
    let (words, writer) = pipe2(OFlag::O_CLOEXEC).context("pipe2")?;
    // SAFETY: as above.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            let null = File::open("/dev/null").context("open /dev/null")?;
            dup2_stdin(&null)
                .and_then(|()| dup2_stdout(&writer))
                .and_then(|()| dup2_stderr(&writer))?;
            Ok(())
        }
        ForkResult::Parent { child: launcher } => {
            drop(writer);
            let code =
                Keeper::new(launcher, words.into(), typed).run().unwrap_or(common::exit::FAILURE);
            process::exit(code.into())
        }
    }
}

/// The part of the command that was typed. Returns its exit code.
fn wait_for_start(mut keeper: UnixStream) -> u8 {
    let mut message = Vec::new();
    let _ = keeper.read_to_end(&mut message);
    match message.split_first() {
        Some((code, name)) => {
            if !name.is_empty() {
                println!("{}", String::from_utf8_lossy(name));
            }
            *code
        }
        None => common::exit::FAILURE,
    }
}
