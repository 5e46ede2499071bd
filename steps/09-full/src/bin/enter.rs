//! enter: a second command in a container that runs already, under the same limits.

use std::ffi::OsString;
use std::process::ExitCode;

use full::confine::{inheritance, program, settings};
use full::life::{self, Terminal};
use full::owners;
use full::reach::{groups, join, rights, running};

/// Runs COMMAND in a running container
#[derive(clap::Parser)]
#[rustfmt::skip]
struct Args {
    #[command(flatten)] process: settings::Options,

    /// The container's name, or the number of its process 1, as `containers` shows them
    #[arg(value_name = "NAME|PID")]
    container: String,

    /// Program to run inside, and the arguments that it gets [default: the rootfs's
    /// bash, else its sh]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    common::run(|args: Args| {
        let container = running::find(&args.container)?;
        join::warn_if_of_another(&container);
        let ids = join::ids(&container)?;
        program::seal(&ids)?;
        let groups = groups::Entrances::open(&container)?;
        let terminal = Terminal::of(container.payload()?.pid, owners::outside(&ids.uids, 0))?;
        let settings = join::settings(&container, &args.process)?;
        join::namespaces(&container)?;
        let process = pid::spawn(&pid::clone_args(&[]), |caller| {
            groups.enter()?;
            let held = rights::read(&container)?;
            held.take_ids(&container)?;
            terminal.join()?;
            inheritance::close_files(caller);
            inheritance::reset_session(&settings)?;
            held.keep_only()?;
            pid::die_with(caller)?;
            life::become_payload(&args.command)
        })?;
        terminal.wait(process)
    })
}
