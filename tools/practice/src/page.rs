//! The section "Your turn" of a chapter's page, from the same declaration as the commands.

use std::fmt::Write as _;
use std::path::Path;

use crate::declaration::{self, Chapter, Exercise, Kind};
use anyhow::{Context, Result};

/// The chapter `named` of the course in which this program is run, or in which `docs` is.
pub fn chapter(named: &str) -> Result<Chapter> {
    let here = std::env::current_dir().context("getcwd")?;
    let tops = here.ancestors().filter(|top| top.join("steps").is_dir());
    let top = tops.into_iter().next().unwrap_or(Path::new("."));
    Chapter::read(top, &declaration::step(top, named)?)
}

/// The section in Markdown, without its heading.
pub fn section(chapter: &Chapter) -> String {
    let number = chapter.number();
    let mut text = format!(
        "`make practice-{number}` takes a piece out of your own tree and gives you the task. \
         `make check-{number}` judges what you write, `make hint-{number}` helps, and \
         `make solution-{number}` shows how the course does it. This step and the later ones work \
         again when the piece is written, or after `make reset-{number}`.\n\n"
    );
    for exercise in chapter.of(Kind::Write).chain(chapter.of(Kind::Extend)) {
        one(&mut text, chapter, exercise);
    }
    let bugs: Vec<&Exercise> = chapter.of(Kind::Bug).collect();
    if !bugs.is_empty() {
        let _ = write!(
            text,
            "### Bugs to find\n\n`make bug-{number} N=1` breaks the step without a word about where. \
             `make check-{number}` notices when you have mended it.\n\n"
        );
        for (index, bug) in bugs.iter().enumerate() {
            let _ = writeln!(text, "{}. {} {}", index + 1, bug.text.task.trim(), bug.stars());
        }
        text.push('\n');
    }
    text
}

fn one(text: &mut String, chapter: &Chapter, exercise: &Exercise) {
    let (it, number) = (&exercise.text, chapter.number());
    let kind = if exercise.kind == Kind::Extend { ", beyond the course" } else { "" };
    let _ = write!(
        text,
        "### `{}`: {}\n\n{} {} minutes{kind}. `make practice-{number} EX={}`\n\n{}\n\n",
        it.name,
        it.title,
        exercise.stars(),
        it.minutes,
        it.name,
        it.task.trim()
    );
    for (index, hint) in it.hints.iter().enumerate() {
        let _ = write!(
            text,
            "<details><summary>Hint {}</summary>\n\n{}\n\n</details>\n\n",
            index + 1,
            hint.trim()
        );
    }
}
