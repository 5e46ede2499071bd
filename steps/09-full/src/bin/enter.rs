//! enter: a second command in a container that runs already, under the same limits.

use std::ffi::OsString;
use std::process::ExitCode;

use full::{groups, init, join, process, running, terminal};

/// Runs COMMAND in a running container
#[derive(clap::Parser)]
#[rustfmt::skip]
struct Args {
    #[command(flatten)] process: process::Options,

    /// The container's name, or the number of its process 1, as `containers` shows them
    #[arg(value_name = "NAME|PID")]
    container: String,

    /// Program to run inside, and everything that is to be passed to it [default: the rootfs's
    /// bash, else its sh]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    common::run(|args: Args| {
        let container = running::find(&args.container)?;
        let groups = groups::Entrances::open(&container)?;
        let terminal = terminal::Terminal::new()?;
        join::namespaces(&container)?;
        let process = pid::spawn(&pid::clone_args(&[]), |caller| {
            groups.enter()?;
            join::ids(&container)?;
            terminal.connect()?;
            process::arrive(&args.process)?;
            join::rights(&container)?;
            pid::die_with(caller)?;
            process::close_on_exec();
            init::become_payload(&args.command)
        })?;
        terminal.wait(process)
    })
}
