//! What the extensions of chapter 05 claim. The course's step fails them; `make check-05` runs them
//! while such an exercise is open.

use std::process::ExitCode;

use anyhow::Result;
use harness::{Container, Identity, Step, chapter, holds};

fn main() -> ExitCode {
    chapter(
        "05-user",
        vec![
            holds("with --keep-id the payload has inside the id that it has outside", |step| {
                let container = step.launch().flag("--keep-id").start(&["sleep", "30"])?;
                let (uid, gid) = step.host().user();
                expect_map(step, &container, "uid_map", uid)?;
                expect_map(step, &container, "gid_map", gid)
            })
            .only(Identity::User),
            holds("with --keep-id it keeps no capability over execve(2)", |step| {
                let container = step.launch().flag("--keep-id").start(&["sleep", "30"])?;
                let effective = container.payload.bits("CapEff")?;
                step.expect("effective capabilities", effective).equals(0)
            })
            .only(Identity::User),
        ],
    )
}

/// One id, the same on both sides.
fn expect_map(step: &Step, container: &Container, file: &str, id: u32) -> Result<()> {
    let map = container.payload.file(file)?;
    let words: Vec<&str> = map.split_whitespace().collect();
    step.expect(file, words.join(" ")).equals(format!("{id} {id} 1"))
}
