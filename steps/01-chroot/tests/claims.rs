//! What chapter 01 claims, checked against the kernel.

use std::process::ExitCode;

use harness::{FileId, chapter, holds, introduces};

fn main() -> ExitCode {
    chapter(
        "01-chroot",
        vec![
            introduces("/ is the rootfs", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("device and inode of the payload's /", container.payload.root()?)
                    .equals(FileId::of(step.host().rootfs()?.here)?)
            }),
            introduces("a file outside the rootfs is not there by its path", |step| {
                let marker = step.host().directory()?.join("marker");
                marker.write("outside")?;
                let container = step.start(&["sleep", "30"])?;
                step.expect(
                    "the marker is there for the payload",
                    container.payload.inside(marker.arg()).exists(),
                )
                .equals(false)
            }),
            introduces("the working directory is not left outside (CVE-2024-21626)", |step| {
                let outside = step.host().directory()?;
                let container = step.launch().directory(&outside.there).start(&["sleep", "30"])?;
                step.expect("the payload's working directory", container.payload.cwd()?)
                    .equals(container.payload.root()?)
            }),
            holds("the payload's exit code is the step's", |step| {
                let output = step.output(&["sh", "-c", "exit 7"])?;
                step.expect("exit code", output.code()).equals(7)
            }),
            holds("a signal that ends the payload ends the step", |step| {
                let output = step.output(&["sh", "-c", "kill -TERM $$"])?;
                step.expect("exit code", output.code()).equals(128 + 15)
            }),
            holds("arguments with hyphens reach the payload unchanged", |step| {
                let argv = ["sh", "-c", "sleep 30; :", "--help", "-x", "--", "", "two words"];
                let container = step.start(&argv)?;
                let found = container.payload.file("cmdline")?;
                step.expect("the payload's arguments", found).equals(argv.join("\0") + "\0")
            }),
            holds("SIGPIPE ends the payload, though Rust's runtime ignores it", |step| {
                let container = step.start(&["sleep", "30"])?;
                let ignored = container.payload.bits("SigIgn")? & 1 << (libc::SIGPIPE - 1) != 0;
                step.expect("the payload ignores SIGPIPE", ignored).equals(false)
            }),
        ],
    )
}
