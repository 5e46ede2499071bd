//! Where things are: the binaries beside this one, and the rootfs that they are tried on.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;

/// The nine steps. A claim about one is refuted by the one before; by the host itself where there
/// is none.
pub const STEPS: [&str; 9] = {
    let mut names = [""; 9];
    let mut index = 0;
    while index < names.len() {
        names[index] = common::CHAPTERS[index].step;
        index += 1;
    }
    names
};

/// The profile's directory, which binaries lie in and tests below: target/debug, target/debug/deps.
pub(crate) fn profile() -> Result<PathBuf> {
    let own = std::env::current_exe().context("current_exe")?;
    let directory = own.parent().context("a program without a directory")?;
    let up = if directory.ends_with("deps") { directory.parent() } else { Some(directory) };
    Ok(up.context("the test does not lie in target/PROFILE/deps")?.to_owned())
}

/// Cargo's target directory: that of the program that is running.
pub(crate) fn target() -> Result<PathBuf> {
    Ok(profile()?.parent().context("the program does not lie in target/PROFILE")?.to_owned())
}

/// Held while a program is written and while one is started. Otherwise a child that is forked
/// meanwhile has a copy of the descriptor that the program is written through. Until that child
/// executes another program, the new one is `Text file busy`.
pub(crate) fn no_fork() -> MutexGuard<'static, ()> {
    static FORK: Mutex<()> = Mutex::new(());
    FORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A binary of this workspace.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    let path = profile()?.join(name);
    ensure!(path.is_file(), "{} is not there: run `cargo build --workspace`", path.display());
    Ok(path)
}

/// A binary of this workspace, by its path on the host of `step`.
pub(crate) fn on_host(step: &crate::launch::Step, name: &str) -> Result<String> {
    Ok(step.host().place(&binary(name)?)?.arg().to_owned())
}

/// The files that a program is loaded with, by ldd(1).
pub(crate) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let _guard = no_fork();
    let output = Command::new("ldd").arg(program).output().context("run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// The rootfs that the steps are tried on, made by the program `rootfs` once for all tests. It is
/// not the tree that the learner's containers write to: whatever those left there, no claim
/// suffers from it.
pub fn rootfs() -> Result<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(|| make_rootfs().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

/// Whoever starts the tests, the tree belongs to whoever built the programs: the next tests may be
/// theirs.
fn make_rootfs() -> Result<PathBuf> {
    let target = target()?;
    let closed = target.join("tests");
    let rootfs = closed.join("trees/rootfs");
    let mut make = Command::new(binary("rootfs")?);
    make.arg("--to").arg(&rootfs);
    if geteuid().is_root() {
        let owner = fs::metadata(&target).context("stat target")?;
        make.uid(owner.uid()).gid(owner.gid());
    }
    let output = make.output().context("run rootfs")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(rootfs.join("proc").is_dir(), "rootfs made no {}: {message}", rootfs.display());
    let only_owner = fs::Permissions::from_mode(0o700);
    fs::set_permissions(closed, only_owner).context("chmod target/tests")?;
    Ok(rootfs)
}
