//! What the extensions of chapter 03 claim. The course's step fails them; `make check-03` runs them
//! while such an exercise is open.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use harness::{Step, chapter, holds};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

fn main() -> ExitCode {
    chapter(
        "03-uts",
        vec![
            holds("without --hostname the name is that of the image's /etc/hostname", |step| {
                expect_name(step, |file| Ok(fs::write(file, "image\nrest\n")?), &[], "image")
            }),
            holds("--hostname comes before the image's name", |step| {
                expect_name(
                    step,
                    |file| Ok(fs::write(file, "image\n")?),
                    &["--hostname=web"],
                    "web",
                )
            }),
            holds("an image's name that does not fit is not taken", |step| {
                expect_image_name(step)?;
                let long = "x".repeat(65);
                expect_name(step, move |file| Ok(fs::write(file, &long)?), &[], "container")?;
                expect_name(step, |file| Ok(fs::write(file, "")?), &[], "container")
            }),
            holds("a link to a file of the host does not name the container", |step| {
                expect_image_name(step)?;
                let outside = step.host().directory()?.join("hostname");
                outside.write("outside")?;
                let target = outside.arg().to_owned();
                expect_name(step, move |file| Ok(symlink(&target, file)?), &[], "container")
            }),
            holds("a pipe in place of /etc/hostname holds nothing up", |step| {
                expect_image_name(step)?;
                expect_name(step, |file| Ok(mkfifo(file, Mode::S_IRWXU)?), &[], "container")
            }),
        ],
    )
}

/// What a step that never looks at the image could not do.
fn expect_image_name(step: &Step) -> Result<()> {
    expect_name(step, |file| Ok(fs::write(file, "image\n")?), &[], "image")
}

/// The host name inside, with an /etc/hostname that `make` makes.
fn expect_name(
    step: &Step,
    make: impl FnOnce(&Path) -> Result<()>,
    words: &[&str],
    name: &str,
) -> Result<()> {
    let rootfs = step.host().copy_of_rootfs()?;
    let file = rootfs.here.join("etc/hostname");
    let _ = fs::remove_file(&file);
    fs::create_dir_all(rootfs.here.join("etc")).context("mkdir etc")?;
    make(&file).with_context(|| format!("make {}", file.display()))?;
    let container = step.launch().rootfs(&rootfs).words(words).start(&["sleep", "30"])?;
    step.expect("host name of the payload", container.payload.hostname()?).equals(name)
}
