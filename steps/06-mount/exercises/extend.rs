//! What the extensions of chapter 06 claim. The course's step fails them; `make check-06` runs them
//! while such an exercise is open.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::ExitCode;

use anyhow::{Context, Result};
use harness::{Container, Step, chapter, holds};

fn main() -> ExitCode {
    chapter(
        "06-mount",
        vec![
            holds("with --tmpfs a tmpfs is mounted there", |step| {
                let container = step.launch().option("--tmpfs", "/tmp").start(&["sleep", "30"])?;
                expect_tmpfs(step, &container, "/tmp")
            }),
            holds("it takes neither set-user-ID programs nor devices", |step| {
                let container = step.launch().option("--tmpfs", "/tmp").start(&["sleep", "30"])?;
                expect_tmpfs(step, &container, "/tmp")?;
                let mounts = container.payload.mounts()?;
                let mount = mounts.iter().rfind(|mount| mount.point == "/tmp").context("/tmp")?;
                step.expect("options of the mount", mount.options.clone())
                    .satisfies("nosuid and nodev", |options| {
                        options.contains("nosuid") && options.contains("nodev")
                    })
            }),
            holds("what is written there is not in the rootfs afterwards", |step| {
                let rootfs = step.host().copy_of_rootfs()?;
                let launch = step.launch().rootfs(&rootfs).option("--tmpfs", "/tmp");
                launch.output(&["sh", "-c", "echo x > /tmp/left"])?;
                let left = rootfs.here.join("tmp/left").exists();
                step.expect("the file is in the rootfs", left).equals(false)
            }),
            holds("a link in the image does not lead it outside", |step| {
                let outside = step.host().directory()?;
                let rootfs = step.host().copy_of_rootfs()?;
                let place = rootfs.here.join("tmp");
                fs::remove_dir_all(&place).context("remove tmp")?;
                symlink(outside.arg(), &place).context("symlink tmp")?;
                let inside = rootfs.here.join(outside.arg().trim_start_matches('/'));
                fs::create_dir_all(inside).context("mkdir")?;
                let launch = step.launch().rootfs(&rootfs).option("--tmpfs", "/tmp");
                let before = step.host().process().file("mountinfo")?;
                let container = launch.start(&["sleep", "30"])?;
                expect_tmpfs(step, &container, outside.arg())?;
                step.expect("changes of the host's mounts", step.host().mount_changes(&before)?)
                    .equals(Vec::<String>::new())
            }),
            holds("--tmpfs works below /dev", |step| {
                let launch = step.launch().option("--tmpfs", "/dev/shm");
                expect_options(step, &launch.start(&["sleep", "30"])?, "/dev/shm", "nodev")
            }),
        ],
    )
}

/// The uppermost mount on `point` inside.
fn expect_tmpfs(step: &Step, container: &Container, point: &str) -> Result<()> {
    let mounts = container.payload.mounts()?;
    let mount = mounts.iter().rfind(|mount| mount.point == point);
    step.expect(format!("what is mounted on {point}"), mount.map(|mount| mount.fstype.as_str()))
        .equals(Some("tmpfs"))
}

fn expect_options(step: &Step, container: &Container, point: &str, option: &str) -> Result<()> {
    expect_tmpfs(step, container, point)?;
    let mounts = container.payload.mounts()?;
    let mount = mounts.iter().rfind(|mount| mount.point == point);
    step.expect(format!("options of {point}"), mount.map(|mount| mount.options.clone()))
        .satisfies(option, |options| options.as_ref().is_some_and(|it| it.contains(option)))
}
