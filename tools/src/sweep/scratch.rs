//! Temporary directories of the tests, in target/tmp: each test removes its own, unless it was
//! killed.

use std::fs;

use anyhow::{Context, Result};

use super::Found;
use super::ours::{Ours, Seen};

/// Every one, unless something that makes them is running.
pub fn find(ours: &Ours) -> Result<Vec<Found>> {
    let entries = fs::read_dir(ours.target.join("tmp")).into_iter().flatten().flatten();
    let tester = ours.processes().find(|seen| is_tester(ours, seen));
    let found = entries.map(|entry| {
        let path = entry.path();
        let what = format!("temporary {}", ours.short(&path));
        match tester {
            Some(seen) => Found::left(
                what,
                format!("in use: tests are running, process {} ({})", seen.pid, seen.name),
            ),
            None => Found::goes(what, "a test was killed, and none is running".into(), move || {
                let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let gone =
                    if directory { common::remove_tree(&path) } else { fs::remove_file(&path) };
                gone.with_context(|| format!("remove {}", path.display()))
            }),
        }
    });
    Ok(found.collect())
}

/// `cargo test` starts tests by their full paths, and so does `make check`; of other users'
/// programs only the arguments are shown.
fn is_tester(ours: &Ours, seen: &Seen) -> bool {
    let programs = [&seen.exe, &seen.argv0];
    let in_deps = |path: &&&std::path::PathBuf| {
        path.starts_with(&ours.target) && path.parent().is_some_and(|dir| dir.ends_with("deps"))
    };
    programs.iter().any(|path| in_deps(&path)) || ["check", "attack"].contains(&seen.name.as_str())
}
