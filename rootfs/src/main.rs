//! Builds a root filesystem and prints its path. The library's map is at the head of `lib.rs`.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use common::{Failure, printable};
use nix::sys::stat::{Mode, umask};
use rootfs::place::{self, Place};
use rootfs::plan::Plan;
use rootfs::unpack::SetIds;
use rootfs::{fill, layers, own, owners, publish, remove, tarball, used};

/// Build a root filesystem for the containers of the course, and print its path
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What the tree is made from
    #[arg(value_enum, default_value_t)]
    kind: Kind,

    /// With the kind tar: the archive to unpack. With remove: the tree [default: all in
    /// target/rootfs]
    #[arg(required_if_eq("kind", "tar"))]
    file: Option<PathBuf>,

    /// Directory to build [default: target/rootfs/KIND, or target/rootfs/ and the name of the
    /// archive]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// Adds one more program with its libraries, by its name or its path; repeatable
    #[arg(long, value_name = "PROGRAM")]
    add: Vec<String>,

    /// Adds an ssh server (dropbear, else sshd) that accepts the key target/rootfs/ssh/id_ed25519
    #[arg(long)]
    with_ssh: bool,
}

#[derive(Clone, Copy, Default, PartialEq, ValueEnum)]
enum Kind {
    /// The tools of this machine that the course uses, with their libraries
    #[default]
    Host,
    /// One static program that is a shell and some 270 tools
    Busybox,
    /// An archive, such as an Alpine minirootfs or from `docker export`; plain, gz, xz or zst
    Tar,
    /// An image, as from `docker save`: see `rootfs image --help`
    Image,
    /// Nothing: removes a tree, with what containers have left in it
    Remove,
}

fn main() -> ExitCode {
    if env::args_os().nth(1).is_some_and(|kind| kind == "image") {
        return common::report(&image()).into();
    }
    common::run(|args: Args| {
        // Other users than the builder run the container: a private umask must not lock them out.
        umask(Mode::from_bits_truncate(0o022));
        match args.kind {
            Kind::Remove => args.remove(),
            _ => args.build(),
        }
    })
}

impl Args {
    fn build(&self) -> Result<()> {
        let (name, plan) = self.plan()?;
        let recipe = plan.recipe();
        let place = Place::new(self.to.as_deref(), &name)?;
        if plan.has_archive() {
            owners::enter_namespace()?;
        }
        let set_ids = if place.is_private() { SetIds::Keep } else { SetIds::Drop };
        publish::publish(&place, &recipe, |draft| fill::fill(draft, &plan, set_ids))?;
        rootfs::print_path(&place.tree)
    }

    /// Returns the tree's usual name, and what it must contain.
    fn plan(&self) -> Result<(String, Plan)> {
        let (name, mut plan) = match (self.kind, &self.file) {
            (Kind::Host, None) => ("host".to_owned(), rootfs::host()?),
            (Kind::Busybox, None) => ("busybox".to_owned(), rootfs::busybox()?),
            (Kind::Tar, Some(file)) => (tarball::name(file), tarball::plan(file)?),
            (Kind::Image, _) => {
                return Err(Failure::usage("image must be the first argument").into());
            }
            _ => return Err(Failure::usage("FILE goes only with the kind tar").into()),
        };
        own::add(&mut plan)?;
        self.add.iter().try_for_each(|name| rootfs::add_program(&mut plan, name))?;
        if self.with_ssh {
            rootfs::add_ssh_server(&mut plan)?;
        }
        Ok((name, plan))
    }

    fn remove(&self) -> Result<()> {
        if self.to.is_some() || self.with_ssh || !self.add.is_empty() {
            return Err(Failure::usage("remove takes the path of a tree and no option").into());
        }
        match &self.file {
            Some(tree) => remove_tree(tree),
            None => {
                let base = place::base()?;
                let _unused = (layers::lock_all(&base)?, used::lock_all(&base)?);
                remove::remove(&base)
            }
        }
    }
}

/// Removes a tree that this program has built, and the files beside it.
fn remove_tree(tree: &Path) -> Result<()> {
    let place = Place::new(Some(tree), "")?;
    if !place.manifest.exists() {
        let what = format!("this program did not build {}", printable(&place.tree));
        return Err(Failure::new(what).hint("`rm -r` removes any directory").into());
    }
    let lock = place.lock()?;
    let _unused = used::lock(&place.tree)?.ok_or_else(|| used::refusal(&place.tree))?;
    remove::remove(&place.tree)?;
    place.forget();
    drop(lock);
    // The last image with a layer takes it along.
    layers::prune(&place::base()?)
}

/// Runs `rootfs-image` in the place of this program. It is a program of its own so that the steps
/// are built without its libraries. Returns the error, if there is one.
fn image() -> anyhow::Error {
    let run = || -> Result<std::convert::Infallible> {
        let exe = env::current_exe().context("find the path of this program")?;
        let program = exe.with_file_name("rootfs-image");
        if !program.is_file() {
            let failure = Failure::new("rootfs-image is not built");
            let hint =
                "`cargo build --package rootfs-image` builds it; `make image FILE=…` does both";
            return Err(failure.hint(hint).into());
        }
        let error = Command::new(&program).args(env::args_os().skip(2)).exec();
        Err(error).with_context(|| format!("exec {}", printable(&program)))
    };
    match run() {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_may_come_before_and_after_the_kind() {
        let args = Args::parse_from(["rootfs", "--add", "a", "busybox", "--add", "b"]);
        assert_eq!(args.add, ["a", "b"]);
    }

    #[test]
    fn a_file_goes_with_tar_only() {
        assert!(Args::try_parse_from(["rootfs", "tar"]).is_err());
        assert!(Args::parse_from(["rootfs", "host", "x.tar"]).plan().is_err());
    }
}
