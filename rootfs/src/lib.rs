//! Builds root filesystems: a directory with every file that a container sees below its `/`.
//!
//! A build has two halves. A *plan* lists what the tree must contain; making the plan is cheap and
//! changes nothing. Only when the present tree was built from another plan is a new tree *filled*,
//! beside the old one, and put in its place when it is complete.
//!
//! # Layout
//!
//! | what a tree contains | |
//! |---|---|
//! | [`plan`] | the list |
//! | `host`, `busybox`, [`tarball`] | the three kinds of tree |
//! | `find`, [`own`] | programs: which ones, and where they are |
//! | `etc_files`, `terminfo`, `ssh`, `ssh_keys` | the files that those programs need |
//!
//! | how a tree is filled | |
//! |---|---|
//! | [`fill`] | carries out a plan |
//! | `tree` | creates files below a directory, whatever its links say |
//! | `elf` | the libraries that a program needs, and the part of it that is loaded |
//! | [`decode`], [`unpack`] | archives: decompressed, unpacked |
//! | [`owners`] | which owners the files may have |
//!
//! | how a tree gets to its place, whole or not at all | |
//! |---|---|
//! | [`place`] | the tree, and the hidden files beside it |
//! | [`manifest`] | what the present tree was built from |
//! | [`publish`] | builds beside the old tree and exchanges the two |
//! | [`layers`] | the parts of images, which several images share |
//! | [`mounts`], [`used`], [`remove`] | what must not be removed, and how the rest is |
//!
//! The package `rootfs-image` uses the same library for the images of docker and podman.

#![warn(missing_docs)]

mod busybox;
mod elf;
mod etc_files;
mod find;
mod host;
mod ssh;
mod ssh_keys;
mod terminfo;
mod tree;

pub mod decode;
pub mod fill;
pub mod layers;
pub mod manifest;
pub mod mounts;
pub mod own;
pub mod owners;
pub mod place;
pub mod plan;
pub mod publish;
pub mod remove;
pub mod tarball;
pub mod unpack;
pub mod used;

pub use busybox::plan as busybox;
pub use find::add as add_program;
pub use host::{plan as host, standard_dirs};
pub use ssh::add as add_ssh_server;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Prints a path, the only thing that these programs write to standard output: `cd "$(rootfs)"`.
///
/// # Errors
/// What write(2) reports.
pub fn print_path(path: &Path) -> Result<()> {
    let line = [path.as_os_str().as_bytes(), b"\n"].concat();
    io::stdout().write_all(&line).context("print the path of the tree")
}
