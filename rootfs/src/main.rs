//! Builds the root filesystems of the course: a directory with all the files that a container is to
//! see as its `/`.
//!
//! A build has two halves. The *plan* says what the tree shall hold; making it is cheap and changes
//! nothing. Only when the plan differs from the one that the present tree was built from is a new
//! tree *filled*, beside the old one, and put in its place when it is complete.

// What the tree shall hold …
mod busybox;
mod etc_files;
mod find;
mod host;
mod own;
mod plan;
mod ssh;
mod ssh_keys;
mod tarball;
mod terminfo;

// … how it is made …
mod archive;
mod decode;
mod elf;
mod fill;
mod tree;

// … and how it comes to its place, whole or not at all.
mod manifest;
mod mounts;
mod place;
mod publish;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use common::Failure;
use nix::sys::stat::{Mode, umask};

use place::Place;
use plan::Plan;

/// Build a root filesystem for the containers of the course, and print its path
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What the tree is made from
    #[arg(value_enum, default_value_t)]
    kind: Kind,

    /// The archive to unpack, with the kind tar
    #[arg(required_if_eq("kind", "tar"))]
    file: Option<PathBuf>,

    /// Directory to build [default: target/rootfs/KIND, or target/rootfs/ and the name of the
    /// archive]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// Adds one more program with its libraries, by its name or its path; may be given several
    /// times
    #[arg(long, value_name = "PROGRAM")]
    add: Vec<String>,

    /// Adds an ssh server (dropbear, else sshd) that lets in the key target/rootfs/ssh/id_ed25519
    #[arg(long)]
    with_ssh: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Kind {
    /// The tools of this machine that the course uses, with their libraries
    #[default]
    Host,
    /// One static program that is a shell and some 270 tools
    Busybox,
    /// An archive, as an Alpine minirootfs or from `docker export`; plain, gz, xz or zst
    Tar,
}

fn main() -> ExitCode {
    common::run(|args: Args| {
        // The container's users are others than the one who builds: a private umask must not lock
        // them out.
        umask(Mode::from_bits_truncate(0o022));
        let (name, plan) = args.plan()?;
        let place = Place::new(args.to.as_deref(), &name)?;
        publish::publish(&place, &plan)?;
        print(&place.tree)
    })
}

impl Args {
    /// The tree's usual name, and what it shall hold.
    fn plan(&self) -> Result<(String, Plan)> {
        let (name, mut plan) = match (self.kind, &self.file) {
            (Kind::Host, None) => ("host".to_owned(), host::plan()?),
            (Kind::Busybox, None) => ("busybox".to_owned(), busybox::plan()?),
            (Kind::Tar, Some(file)) => (tarball::name(file), tarball::plan(file)?),
            _ => return Err(Failure::usage("FILE goes with the kind tar, and only with it").into()),
        };
        own::add(&mut plan)?;
        self.add.iter().try_for_each(|name| find::add(&mut plan, name))?;
        if self.with_ssh {
            ssh::add(&mut plan)?;
        }
        Ok((name, plan))
    }
}

/// The path is the answer, and the only thing on standard output: `cd "$(rootfs)"`.
fn print(tree: &Path) -> Result<()> {
    let line = [tree.as_os_str().as_bytes(), b"\n"].concat();
    io::stdout().write_all(&line).context("print the path of the tree")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_may_stand_on_either_side_of_the_kind() {
        let args = Args::parse_from(["rootfs", "--add", "a", "busybox", "--add", "b"]);
        assert_eq!(args.add, ["a", "b"]);
    }

    #[test]
    fn a_file_goes_with_tar_only() {
        assert!(Args::try_parse_from(["rootfs", "tar"]).is_err());
        assert!(Args::parse_from(["rootfs", "host", "x.tar"]).plan().is_err());
    }
}
