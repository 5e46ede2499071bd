//! docs/src/errors.md, which is made of the table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use common::Operation;
use common::hints::{Group, Row, TABLE};

const BEGINNING: &str = "\
# What goes wrong, and why

Each of our programs prints an error in one line: what it tried, and what the kernel answered. Where the table below
knows more, a second line follows. It gives the cause and the cure:

```console,user
$ target/debug/01-chroot target/rootfs/host
Error: chroot target/rootfs/host: Operation not permitted
hint: chroot(2) needs CAP_SYS_CHROOT: run it with sudo; from step 05 on an ordinary user can do without
```

The same answer of the kernel may have several causes. Then what the machine shows decides, and the first line below
that fits is printed. Where nothing shows the cause, the hint begins with `check:` and lists what to look at.

The page is made from the table that the programs use, `common/src/hints`, and the tests provoke every line of it. A
hint that needs a name in it is not here, such as the hint about a program that the rootfs lacks.
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
    let answers =
        row.answers.iter().map(|errno| format!("{} ({errno:?})", common::strerror(*errno)));
    let when: Vec<_> = row.when.iter().map(|when| when.shown).collect();
    let when =
        if when.is_empty() { String::new() } else { format!("where {}", when.join(", and ")) };
    let seen = [join(row.tried.iter().map(words)), join(answers), when];
    let seen: Vec<_> = seen.into_iter().filter(|part| !part.is_empty()).collect();
    let cause = row.cause.unwrap_or("one of several causes");
    format!("| {} | {} | {} |\n", cell(&seen.join("<br>")), cell(cause), cell(row.cure))
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// The name of an operation as words: OpenRootfs is "open rootfs".
fn words(operation: &Operation) -> String {
    let spread = |char: char| match char.is_uppercase() {
        true => format!(" {}", char.to_lowercase()),
        false => char.to_string(),
    };
    format!("{operation:?}").chars().map(spread).collect::<String>().trim_start().to_owned()
}

/// A bar would begin another cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
