//! docs/src/errors.md, which is made of the table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use common::hints::{Group, Row, TABLE};

const BEGINNING: &str = "\
# What goes wrong, and why

Each of our programs tells an error in one line: what it tried, and what the kernel answered. Where the cause is known,
a second line says why and what to do:

```console,user
$ target/debug/01-chroot target/rootfs/host
Error: chroot target/rootfs/host: Operation not permitted
hint: chroot(2) asks for CAP_SYS_CHROOT: run it with sudo; from step 05 on an ordinary user needs none
```

The same answer of the kernel may have several causes. Then what the machine shows decides, and the first line below
that fits is the one that is told. The page is made of the table that the programs use, `common/src/hints`, and the
tests provoke every line of it. What is not here is told with a name in it: a program that the rootfs lacks, for one.
";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/errors.md")
}

/// Writes the page.
pub fn write() -> ExitCode {
    match fs::write(path(), text()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: write {}: {error}", path().display());
            ExitCode::FAILURE
        }
    }
}

/// The page is as the table is today.
pub fn compare() -> Result<()> {
    let page = fs::read_to_string(path()).context("read docs/src/errors.md")?;
    ensure!(
        page == text(),
        "it is not: SNAPSHOTS=overwrite cargo test -p harness --test errors writes it anew"
    );
    Ok(())
}

fn text() -> String {
    TABLE.iter().map(group).fold(BEGINNING.to_owned(), |page, group| page + &group)
}

fn group(group: &Group) -> String {
    let rows: String = group.rows.iter().map(row).collect();
    format!("\n## {}\n\n| You see | Why | What to do |\n|---|---|---|\n{rows}", group.title)
}

fn row(row: &Row) -> String {
    let tried = row
        .tried
        .iter()
        .filter(|tried| !tried.is_empty())
        .map(|tried| format!("`{}`", tried.trim_end()));
    let answers =
        row.answers.iter().map(|errno| format!("{} ({errno:?})", common::strerror(*errno)));
    let when = Some(row.when.shown)
        .filter(|shown| !shown.is_empty())
        .map(|shown| format!("where {shown}"));
    let tried = Some(tried.collect::<Vec<_>>().join(", ")).filter(|tried| !tried.is_empty());
    let answers =
        Some(answers.collect::<Vec<_>>().join(", ")).filter(|answers| !answers.is_empty());
    let seen = [tried, answers, when].into_iter().flatten().collect::<Vec<_>>().join("<br>");
    format!("| {seen} | {} | {} |\n", cell(row.cause), cell(row.cure))
}

/// A bar would begin another cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
