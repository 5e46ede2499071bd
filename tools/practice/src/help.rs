//! `make hint-NN`, `make solution-NN` and `make reset-NN`: help, and the way back.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::begin::{files_of, patched_original};
use crate::course::Course;
use crate::declaration::{Chapter, Exercise, Kind};
use crate::hollow::{Source, without_allowance};
use crate::show::{heading, indented, paint};
use crate::state::{key, read, write};

/// One hint more each time.
pub fn hint(course: &mut Course, named: &str) -> Result<()> {
    let (chapter, exercise) = course.opened_in(named)?;
    let hints = &exercise.text.hints;
    let shown = course.store.state.hints.entry(key(&chapter, &exercise)).or_default();
    *shown = (*shown + 1).min(hints.len());
    let shown = *shown;
    course.store.save()?;
    println!("{}\n", heading(&chapter, &exercise));
    for (index, hint) in hints.iter().take(shown).enumerate() {
        let hint = format!("{} of {}: {}", index + 1, hints.len(), hint.trim());
        let last = index + 1 == shown;
        println!("{}\n", if last { indented(&hint) } else { paint("2", &indented(&hint)) });
    }
    if shown == hints.len() {
        println!("That was the last one. make solution-{} shows the answer.", chapter.number());
    }
    Ok(())
}

/// The difference between the learner's code and the course's.
pub fn solution(course: &Course, named: &str) -> Result<()> {
    let (chapter, exercise) = course.opened_in(named)?;
    println!("{}\n", heading(&chapter, &exercise));
    let scratch = tempfile::tempdir().context("mkdtemp")?;
    let pairs = pairs(course, &chapter, &exercise)?;
    let mut same = true;
    for (path, own, answer) in pairs {
        for (side, text) in [("yours", own), ("course", answer)] {
            write(&scratch.path().join(side).join(&path), text)?;
        }
        let of = |side: &str| Path::new(side).join(&path);
        same &= !course.git.show_difference(&of("yours"), &of("course"), scratch.path())?;
    }
    drop(scratch); // whoever reads no further ends this program with the next line
    if same {
        println!("Yours is the course's, letter for letter.");
    }
    println!("\n{}", indented(&exercise.text.explanation));
    Ok(())
}

/// Whether all that was to be written is the course's, letter for letter.
pub fn is_courses(course: &Course, chapter: &Chapter, exercise: &Exercise) -> Result<bool> {
    let pairs = pairs(course, chapter, exercise)?;
    Ok(pairs.iter().all(|(_, own, answer)| own == answer))
}

/// What to compare: file, the learner's text, the course's.
fn pairs(
    course: &Course,
    chapter: &Chapter,
    exercise: &Exercise,
) -> Result<Vec<(PathBuf, String, String)>> {
    let own = |path: &Path| read(&course.top.join(path));
    let main = Path::new("steps").join(&chapter.step).join("src/main.rs");
    match exercise.kind {
        Kind::Bug => {
            let open = course.store.state.open.as_ref().context("an open exercise")?;
            let before = |path: PathBuf| {
                let before = match open.in_courses_text {
                    true => course.original(&path)?,
                    false => read(&course.store.before(&path))?,
                };
                Ok((path.clone(), own(&path)?, before))
            };
            open.files.iter().cloned().map(before).collect()
        }
        Kind::Extend => {
            let patch = exercise.patch(&course.top, &chapter.step);
            let files = files_of(&patch)?;
            let answers = patched_original(course, &patch, &files)?;
            let pair = |(path, answer): (PathBuf, String)| {
                let own = own(&path).unwrap_or_default();
                (path, own, answer)
            };
            Ok(answers.into_iter().map(pair).collect())
        }
        Kind::Write if exercise.text.main => {
            let answer = course.original(&main)?;
            Ok(vec![(main.clone(), own(&main)?, answer)])
        }
        Kind::Write => functions(course, chapter, exercise),
    }
}

/// Only the functions of the exercise, unless the learner's file cannot be parsed.
fn functions(
    course: &Course,
    chapter: &Chapter,
    exercise: &Exercise,
) -> Result<Vec<(PathBuf, String, String)>> {
    let places = exercise.places(&chapter.step);
    let mut files: Vec<&PathBuf> = places.iter().map(|(path, _)| path).collect();
    files.dedup();
    let mut pairs = Vec::new();
    for path in files {
        let (own, answer) = (read(&course.top.join(path))?, course.original(path)?);
        let own = without_allowance(&own);
        let names: Vec<&str> =
            places.iter().filter(|(file, _)| file == path).map(|(_, name)| *name).collect();
        let parts = (only(&own, &names), only(&answer, &names));
        let (own, answer) = match parts {
            (Ok(own), Ok(answer)) => (own, answer),
            _ => (own, answer),
        };
        pairs.push((path.clone(), own, answer));
    }
    Ok(pairs)
}

fn only(text: &str, names: &[&str]) -> Result<String> {
    let source = Source::parse(text)?;
    let parts: Result<Vec<&str>> = names.iter().map(|name| source.function_text(name)).collect();
    Ok(parts?.join("\n\n") + "\n")
}

/// Gives the open exercise up, or brings the whole chapter back.
pub fn reset(course: &mut Course, named: &str, all: bool) -> Result<()> {
    let chapter = course.chapter(named)?;
    let open = course.opened()?.filter(|(open, _)| open.step == chapter.step);
    let kept = match (&open, all) {
        (Some(_), false) => course.reset()?,
        _ => course.reset_chapter(&chapter)?,
    };
    match &open {
        Some((chapter, exercise)) if !all => {
            println!("{} {} is closed.", chapter.number(), chapter.label(exercise));
        }
        _ => println!("steps/{} is the course's again.", chapter.step),
    }
    println!("Your version is kept in {}", kept.display());
    Ok(())
}
