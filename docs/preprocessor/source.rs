//! Code of the course, taken from the files when the book is built.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use similar::TextDiff;

use crate::exercises;

/// The item `name` of a Rust file, with the comments and attributes above it. `Type::method` is
/// found in the blocks of that type, and `impl Trait for Type` by its whole first line.
///
/// The files are formatted by rustfmt, so an item ends with a closing bracket in the column in
/// which it begins.
pub fn item(file: &Path, name: &str) -> Result<String> {
    let text = read(file)?;
    let lines: Vec<&str> = text.lines().collect();
    let found = match name.split_once("::") {
        Some((owner, method)) => blocks_of(&lines, owner).find_map(|block| find(block, method)),
        None => find(&lines, name),
    };
    let item = found.with_context(|| format!("there is no item {name} in {}", file.display()))?;
    let indent = indent(item[0]);
    Ok(item.iter().map(|line| format!("{}\n", line.get(indent..).unwrap_or(""))).collect())
}

/// The difference between a chapter's `main.rs` and the one before, or the whole of the first one.
pub fn difference(file: &Path) -> Result<(&'static str, String)> {
    let new = read(file)?;
    let steps = file.ancestors().nth(3).context("a main.rs is three directories below steps")?;
    let step = file.ancestors().nth(2).context("no step")?.file_name().context("no step")?;
    let entries = fs::read_dir(steps).with_context(|| steps.display().to_string())?;
    let before = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| name.as_os_str() < step && name.as_encoded_bytes()[0].is_ascii_digit())
        .max();
    let Some(before) = before else { return Ok(("rust", new)) };
    let old = read(&steps.join(&before).join("src/main.rs"))?;
    let names = [before.as_os_str(), step].map(|name| format!("{}/main.rs", name.display()));
    let diff = TextDiff::from_lines(&old, &new);
    Ok(("diff", diff.unified_diff().header(&names[0], &names[1]).to_string()))
}

/// The file as the course has it. While an exercise is open, the file in the working tree is a
/// learner's, and git has the course's.
fn read(file: &Path) -> Result<String> {
    let what = || file.display().to_string();
    if let Some(commit) = exercises::course_commit(file) {
        let directory = file.parent().with_context(what)?;
        let name = format!("{commit}:./{}", file.file_name().with_context(what)?.display());
        let shown = Command::new("git").arg("show").arg(&name).current_dir(directory).output();
        if let Ok(output) = shown
            && output.status.success()
        {
            return String::from_utf8(output.stdout).with_context(what);
        }
    }
    fs::read_to_string(file).with_context(what)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The insides of all `impl` blocks of a type.
fn blocks_of<'a>(lines: &'a [&'a str], owner: &'a str) -> impl Iterator<Item = &'a [&'a str]> {
    lines.iter().enumerate().filter_map(move |(start, line)| {
        let names = line.strip_prefix("impl")?;
        let ours =
            names.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == owner);
        ours.then(|| &lines[start + 1..end(lines, start)])
    })
}

fn find<'a>(lines: &'a [&'a str], name: &str) -> Option<&'a [&'a str]> {
    let start = lines.iter().position(|line| defines(line, name))?;
    let column = indent(lines[start]);
    let above = |line: &&&str| {
        let text = line.trim_start();
        indent(line) == column && (text.starts_with("//") || text.starts_with("#["))
    };
    let first = start - lines[..start].iter().rev().take_while(above).count();
    Some(&lines[first..=end(lines, start)])
}

/// Whether the definition of `name` begins in this line.
fn defines(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    if name.contains(' ') {
        return line.strip_prefix(name).is_some_and(|rest| rest.trim() == "{");
    }
    let words = line.split(|c: char| c.is_whitespace() || "(<:;{=!".contains(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    const QUALIFIERS: [&str; 6] = ["pub", "crate", "crate)", "unsafe", "async", "super)"];
    const KINDS: [&str; 9] =
        ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "macro_rules"];
    let mut words = words.into_iter().skip_while(|word| QUALIFIERS.contains(word)).peekable();
    match words.next() {
        Some("const") if words.peek() == Some(&"fn") => words.nth(1) == Some(name),
        Some(kind) => KINDS.contains(&kind) && words.next() == Some(name),
        None => false,
    }
}

/// The last line of the item that begins in line `start`.
fn end(lines: &[&str], start: usize) -> usize {
    if lines[start].ends_with(';') || lines[start].ends_with("{}") {
        return start;
    }
    let column = indent(lines[start]);
    let closes = |line: &&str| {
        let text = line.trim_start();
        indent(line) == column && text.starts_with(['}', ']', ')']) && !text.ends_with(['{', '('])
    };
    let after = lines[start + 1..].iter().position(closes);
    after.map_or(lines.len() - 1, |count| start + 1 + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
/// A door.
pub struct Door(OwnedFd);

impl Door {
    /// Opens it.
    #[inline]
    pub fn open(
        &self,
    ) -> Result<()> {
        Ok(())
    }
}

impl Drop for Door {
    fn drop(&mut self) {}
}

const LINKS: [&str; 2] = [
    \"a\",
];
";

    #[test]
    fn items_are_found_with_their_comments() {
        let lines: Vec<&str> = TEXT.lines().collect();
        assert_eq!(find(&lines, "Door").unwrap(), &lines[0..2]);
        assert_eq!(find(&lines, "LINKS").unwrap(), &lines[17..20]);
        assert_eq!(find(&lines, "impl Drop for Door").unwrap(), &lines[13..16]);
        let method = blocks_of(&lines, "Door").find_map(|block| find(block, "open")).unwrap();
        assert_eq!(method, &lines[4..11]);
        assert!(find(&lines, "Doo").is_none());
    }
}
