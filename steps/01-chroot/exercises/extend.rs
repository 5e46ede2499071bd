//! What the extensions of chapter 01 claim. The course's step fails them; `make check-01` runs them
//! while such an exercise is open.

use std::process::ExitCode;

use harness::{Identity, chapter, holds};

fn main() -> ExitCode {
    chapter(
        "01-chroot",
        vec![
            holds("with --as the payload has that user id", |step| {
                let launch = step.launch().option("--as", "1000:2000");
                let container = launch.start(&["sleep", "30"])?;
                step.expect(
                    "real, effective, saved and file system user id",
                    container.payload.status("Uid")?,
                )
                .equals("1000 1000 1000 1000")
            })
            .only(Identity::Root),
            holds("with --as the payload has that group id", |step| {
                let launch = step.launch().option("--as", "1000:2000");
                let container = launch.start(&["sleep", "30"])?;
                step.expect(
                    "real, effective, saved and file system group id",
                    container.payload.status("Gid")?,
                )
                .equals("2000 2000 2000 2000")
            })
            .only(Identity::Root),
            holds("with --as the payload has no other group", |step| {
                let launch = step.launch().option("--as", "1000:2000").groups(&[0, 4242]);
                let container = launch.start(&["sleep", "30"])?;
                step.expect("supplementary groups", container.payload.status("Groups")?).equals("")
            })
            .only(Identity::Root),
            holds("without --as the payload is still root", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("user id", container.payload.status("Uid")?).equals("0 0 0 0")
            })
            .only(Identity::Root),
        ],
    )
}
