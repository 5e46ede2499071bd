//! mdbook-course: what `make book` does to a page before mdBook sees it.
//!
//! The pages are plain Markdown, and they read well without this program. A line that is nothing
//! but a link with one of these titles becomes what the link leads to:
//!
//! | title | becomes |
//! |---|---|
//! | `"item NAME"` | the item of that name in the linked Rust file: `spawn`, `Gate`, `Gate::wait` |
//! | `"diff"` | the difference between the linked `main.rs` and that of the step before |
//! | `"exercises"` | the exercises that the linked file declares |
//! | `"manual"` | a list of the manual's pages that the book names, and where |
//!
//! A picture is put into the page itself, so that it follows the theme, and each term of the
//! glossary is linked where a page uses it first. A table of long rows is marked, so that a narrow
//! screen shows its cells below each other, and options in the text are kept on one line. `mdbook-course draw` makes the pictures from
//! `docs/figures`.

mod draw;
mod exercises;
mod figure;
mod glossary;
mod manual;
mod source;
mod table;
mod words;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A page: its path below `docs/src`, and its text.
type Page = (String, String);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => preprocess(),
        ["draw"] => draw::all(Path::new("docs")),
        ["supports", _renderer] => Ok(()), // mdBook asks by the exit code
        _ => bail!("usage: mdbook-course [draw | supports RENDERER]"),
    }
}

/// Reads `[context, book]` from standard input and writes the book to standard output, as mdBook
/// asks of a preprocessor.
fn preprocess() -> Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let mut input: Value = serde_json::from_str(&text).context("mdBook's JSON")?;
    let root = PathBuf::from(input[0]["root"].as_str().context("no root in the context")?);
    let mut pages = Vec::new();
    visit(&mut input[1], &mut |path, text| {
        pages.push((path.to_owned(), text.clone()));
        Ok(())
    })?;
    let terms = glossary::terms(&pages);
    let mut errors = Vec::new();
    visit(&mut input[1], &mut |path, text| {
        match fill(&root.join("src"), path, text, &pages, &terms) {
            Ok(filled) => *text = filled,
            Err(error) => errors.push(format!("docs/src/{path}: {error:#}")),
        }
        Ok(())
    })?;
    ensure!(errors.is_empty(), "{}", errors.join("\n"));
    println!("{}", input[1]);
    Ok(())
}

/// Calls `act` with the path and the text of every page.
fn visit(value: &mut Value, act: &mut impl FnMut(&str, &mut String) -> Result<()>) -> Result<()> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| visit(item, act)),
        Value::Object(fields) => {
            let path = fields.get("path").and_then(Value::as_str).map(str::to_owned);
            if let (Some(path), Some(Value::String(text))) = (path, fields.get_mut("content")) {
                act(&path, text)?;
            }
            fields.values_mut().try_for_each(|field| visit(field, act))
        }
        _ => Ok(()),
    }
}

/// The page as mdBook gets it.
fn fill(
    src: &Path,
    path: &str,
    text: &str,
    pages: &[Page],
    terms: &[glossary::Term],
) -> Result<String> {
    let linked = if path == glossary::PAGE { text.to_owned() } else { glossary::link(text, terms) };
    let (mut filled, mut fenced) = (String::new(), false);
    for line in linked.lines() {
        fenced ^= line.starts_with("```");
        let whole = if fenced { None } else { Link::parse(line) };
        match whole {
            Some(link) => filled += &replace(src, &link, pages)?,
            None => filled += line,
        }
        filled.push('\n');
    }
    Ok(words::keep_whole(&table::stack(&filled)))
}

fn replace(src: &Path, link: &Link, pages: &[Page]) -> Result<String> {
    let file = src.join(link.target);
    let what = || format!("{} {:?}", link.target, link.title);
    let (verb, name) = link.title.split_once(' ').unwrap_or((link.title, ""));
    match (link.image, verb) {
        (true, _) => figure::inline(&file, link.text, link.title),
        (false, "item") => source::item(&file, name).map(|code| quote(link.text, "rust", &code)),
        (false, "diff") => {
            source::difference(&file).map(|(kind, code)| quote(link.text, kind, &code))
        }
        (false, "exercises") => exercises::list(&file),
        (false, "manual") => Ok(manual::index(pages)),
        _ => bail!("a link of its own line has the unknown title {:?}", link.title),
    }
    .with_context(what)
}

/// A block of code with the link's text above it.
fn quote(caption: &str, language: &str, code: &str) -> String {
    format!("<div class=\"quoted\">\n\n{caption}\n\n```{language}\n{code}```\n\n</div>\n")
}

/// A line that is nothing but a link with a title, or nothing but a picture.
struct Link<'a> {
    image: bool,
    text: &'a str,
    target: &'a str,
    title: &'a str,
}

impl<'a> Link<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let image = line.starts_with("![");
        let inner = line.strip_prefix('!').unwrap_or(line).strip_prefix('[')?.strip_suffix(')')?;
        let (text, rest) = inner.split_once("](")?;
        let (target, title) = match rest.split_once(" \"") {
            Some((target, title)) => (target, title.strip_suffix('"')?),
            None => (rest, ""),
        };
        (image || !title.is_empty()).then_some(Link { image, text, target, title })
    }
}

#[cfg(test)]
mod tests {
    use super::Link;

    #[test]
    fn a_link_with_a_title_is_a_directive_and_another_is_not() {
        let link = Link::parse("[The `spawn` function](../../a.rs \"item spawn\")").unwrap();
        assert_eq!((link.image, link.target, link.title), (false, "../../a.rs", "item spawn"));
        assert!(Link::parse("[a page](02-pid.md)").is_none());
        assert!(Link::parse("See [a page](02-pid.md \"item x\").").is_none());
        assert!(Link::parse("![two boxes](figures/a.svg)").unwrap().image);
    }
}
