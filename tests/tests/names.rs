//! That what a page or an exercise names is in the sources: a text outlives the code that it speaks
//! of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the course's own names come from.
const SOURCES: [&str; 6] = ["common", "docs/preprocessor", "rootfs", "steps", "tests", "tools"];

/// What speaks of the kernel's own functions, and what tests write themselves.
const OTHERS: [&str; 3] = ["kernel.md", "errors.md", "escape.md"];

/// Names of the system that no source uses: the fields of semop(2), and a file of namespaces(7).
const FOREIGN: [&str; 4] = ["sem_num", "sem_op", "sem_flg", "pid_for_children"];

fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All files below a directory whose names end so.
fn files(directory: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, ends));
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            found.push(path);
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// What stands between backquotes, outside of whole blocks.
fn quoted(text: &str) -> Vec<String> {
    let mut block = false;
    let outside: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            block ^= fence;
            !block && !fence
        })
        .collect();
    outside.join("\n").split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Names of our own are those with a low line. A path or a constant may be the system's.
fn names(quoted: &str) -> impl Iterator<Item = &str> {
    let ours = |word: &&str| word.contains('_') && word.contains(char::is_lowercase);
    words(quoted).filter(move |_| !quoted.contains('/')).filter(ours)
}

fn sources() -> BTreeSet<String> {
    let ends = [".rs", ".c", ".sh", ".mk", ".patch"];
    let directories = SOURCES.into_iter().map(|directory| top().join(directory));
    let mut all: Vec<_> = directories.flat_map(|directory| files(&directory, &ends)).collect();
    all.retain(|file| !file.ends_with("tests/tests/names.rs"));
    all.extend(["Makefile", "Cargo.toml"].map(|file| top().join(file)));
    let texts = all.iter().map(|file| fs::read_to_string(file).unwrap());
    texts.flat_map(|text| words(&text).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn what_pages_and_exercises_name_is_in_the_sources() {
    let known = sources();
    let mut texts = files(&top().join("docs/src"), &[".md"]);
    texts.extend(files(&top().join("steps"), &["exercises.toml"]));
    texts.extend(["README.md", "CONTRIBUTING.md"].map(|file| top().join(file)));
    texts.retain(|file| !OTHERS.iter().any(|other| file.ends_with(other)));
    let mut gone = Vec::new();
    for file in &texts {
        for quoted in quoted(&fs::read_to_string(file).unwrap()) {
            let is_gone = |name: &&str| !known.contains(*name) && !FOREIGN.contains(name);
            gone.extend(
                names(&quoted).filter(is_gone).map(|name| format!("{}: {name}", file.display())),
            );
        }
    }
    assert!(texts.len() > 40, "{} texts", texts.len());
    assert!(gone.is_empty(), "no source has these names:\n{}", gone.join("\n"));
}

#[test]
fn names_are_found_between_backquotes() {
    let text =
        "In `job::wait_as_job` and `/proc/x_y`.\n```\n`not_this`\n```\n`CLONE_NEWNS`, `a_b(c_d)`";
    let quoted = quoted(text);
    let found: Vec<_> = quoted.iter().flat_map(|quoted| names(quoted)).collect();
    assert_eq!(found, ["wait_as_job", "a_b", "c_d"]);
}
