//! `make practice-NN` and `make bug-NN`: an exercise begins.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::course::{Course, exercise};
use crate::declaration::{Chapter, Exercise, Kind, steps};
use crate::hollow;
use crate::show;
use crate::state::{key, read, write as write_file};

/// Begins the named exercise of a chapter, or the next; shows the open one again.
pub fn practice(course: &mut Course, named: &str, name: Option<&str>) -> Result<()> {
    let chapter = course.chapter(named)?;
    if let Some((open_chapter, open)) = course.opened()? {
        let solved = course.store.state.open.as_ref().is_some_and(|open| open.solved);
        let same = open_chapter.step == chapter.step && name.is_none_or(|it| it == open.text.name);
        if same && !solved {
            show::task(&chapter, &open, "is open");
            return Ok(());
        }
    }
    let exercise = match name {
        Some(name) => exercise(&chapter, name)?,
        None => next(course, &chapter)?,
    };
    match exercise.kind {
        Kind::Write => write(course, &chapter, &exercise)?,
        Kind::Extend => {
            let files = course.files(&chapter.step)?;
            course.begin(&chapter, &exercise, files, |_| Ok(Vec::new()))?;
        }
        Kind::Bug => bail!("make bug-{} hides a bug", chapter.number()),
    }
    show::task(&chapter, &exercise, "begins");
    Ok(())
}

/// The first exercise of the chapter that has not been solved.
fn next(course: &Course, chapter: &Chapter) -> Result<Exercise> {
    let to_write = chapter.exercises.iter().filter(|exercise| exercise.kind != Kind::Bug);
    let solved = &course.store.state.solved;
    let found = to_write.into_iter().find(|it| !solved.contains(&key(chapter, it)));
    let found = found.with_context(|| {
        let number = chapter.number();
        format!(
            "every exercise of chapter {number} is solved\nhint: EX=NAME begins one again, EX=all \
             all of them at once; make bug-{number} hides a bug"
        )
    })?;
    Ok(Exercise { kind: found.kind, text: found.text.clone() })
}

fn write(course: &mut Course, chapter: &Chapter, exercise: &Exercise) -> Result<()> {
    let main = Path::new("steps").join(&chapter.step).join("src/main.rs");
    if exercise.text.main {
        let before = previous(course, chapter)?.context("there is no main before the first")?;
        return course.begin(chapter, exercise, vec![main.clone()], |course| {
            Ok(vec![(main, course.original(&before)?)])
        });
    }
    let places = exercise.places(&chapter.step);
    let mut files: Vec<PathBuf> = places.iter().map(|(path, _)| path.clone()).collect();
    let roots: Vec<PathBuf> = files.iter().map(|path| root_of(path, &chapter.step)).collect();
    files.extend_from_slice(&roots);
    files.sort();
    files.dedup();
    course.begin(chapter, exercise, files.clone(), |course| {
        let mut replaced = Vec::new();
        for path in &files {
            let functions: Vec<&str> =
                places.iter().filter(|(file, _)| file == path).map(|(_, name)| *name).collect();
            let text = hollow_file(course, chapter, exercise, path, &functions)?;
            let text = if roots.contains(path) { hollow::with_allowance(&text)? } else { text };
            replaced.push((path.clone(), text));
        }
        Ok(replaced)
    })
}

/// The file of the crate in which the compiler keeps quiet: a program is its own.
fn root_of(path: &Path, step: &str) -> PathBuf {
    let source = Path::new("steps").join(step).join("src");
    let program = path == source.join("main.rs") || path.starts_with(source.join("bin"));
    if program { path.to_owned() } else { source.join("lib.rs") }
}

fn hollow_file(
    course: &Course,
    chapter: &Chapter,
    exercise: &Exercise,
    path: &Path,
    functions: &[&str],
) -> Result<String> {
    let text = read(&course.top.join(path))?;
    let others = course.files(&chapter.step)?.into_iter().filter(|other| other != path);
    let others: Vec<String> =
        others.filter_map(|other| read(&course.top.join(other)).ok()).collect();
    hollow::hollow(&text, functions, &exercise.text.way, &message(chapter, exercise), &others)
        .with_context(|| {
            format!(
                "{}\nhint: make reset-{} ALL=1 brings the course's version back, and keeps yours",
                path.display(),
                chapter.number()
            )
        })
}

/// What a reached hole says.
fn message(chapter: &Chapter, exercise: &Exercise) -> String {
    format!("{} {}: {}", chapter.number(), exercise.text.name, exercise.text.title)
}

/// The main of the step before, as the course has it.
fn previous(course: &Course, chapter: &Chapter) -> Result<Option<PathBuf>> {
    let steps = steps(&course.top)?;
    let place = steps.iter().position(|step| *step == chapter.step).context("a step")?;
    let before = place.checked_sub(1).map(|place| &steps[place]);
    Ok(before.map(|step| Path::new("steps").join(step).join("src/main.rs")))
}

/// Hides the bug of this number, or the next that was not found.
pub fn bug(course: &mut Course, named: &str, number: Option<usize>) -> Result<()> {
    let chapter = course.chapter(named)?;
    let bugs: Vec<&Exercise> = chapter.of(Kind::Bug).collect();
    ensure!(!bugs.is_empty(), "chapter {} has no bugs to find", chapter.number());
    let solved = &course.store.state.solved;
    let chosen = match number {
        Some(number) => number.checked_sub(1).and_then(|place| bugs.get(place)),
        None => bugs.iter().find(|bug| !solved.contains(&key(&chapter, bug))),
    };
    let Some(bug) = chosen else {
        let all = format!("chapter {} has bugs 1 to {}", chapter.number(), bugs.len());
        match number {
            Some(_) => bail!("{all}"),
            None => bail!("all found\nhint: N=1 hides the first again; {all}"),
        }
    };
    let patch = bug.patch(&course.top, &chapter.step);
    let files = files_of(&patch)?;
    let mut fits = false;
    course.begin(&chapter, bug, files.clone(), |course| {
        let own = patched_in(course, &patch, &files, |path| read(&course.top.join(path)))?;
        fits = own.is_some();
        own.map_or_else(|| patched_original(course, &patch, &files), Ok)
    })?;
    if !fits {
        course.begun_in_courses_text()?;
    }
    show::task(&chapter, bug, "is hidden");
    if !fits {
        println!(
            "\n{}",
            show::filled(
                "The bug does not fit what you wrote here: these files are the course's \
                          now. Yours come back when you have found it, or with make reset."
            )
        );
    }
    Ok(())
}

/// Whether a bug is where it was hidden: then nobody has found it, whatever the claims say.
pub fn is_untouched(course: &Course, chapter: &Chapter, bug: &Exercise) -> Result<bool> {
    let open = course.store.state.open.as_ref().context("an open exercise")?;
    let patch = bug.patch(&course.top, &chapter.step);
    let hidden = match open.in_courses_text {
        true => Some(patched_original(course, &patch, &open.files)?),
        false => patched_in(course, &patch, &open.files, |path| read(&course.store.before(path)))?,
    };
    let same = |(path, text): &(PathBuf, String)| {
        read(&course.top.join(path)).is_ok_and(|own| hollow::same_code(&own, text))
    };
    Ok(hidden.is_some_and(|hidden| hidden.iter().all(same)))
}

/// The files that a patch changes.
pub fn files_of(patch: &Path) -> Result<Vec<PathBuf>> {
    let text = read(patch)?;
    let names = text.lines().filter_map(|line| line.strip_prefix("+++ b/"));
    let names: Vec<PathBuf> =
        names.map(|name| PathBuf::from(name.split('\t').next().unwrap_or(name))).collect();
    ensure!(!names.is_empty(), "{} changes nothing", patch.display());
    Ok(names)
}

/// The course's version of the files with the patch in them.
pub fn patched_original(
    course: &Course,
    patch: &Path,
    files: &[PathBuf],
) -> Result<Vec<(PathBuf, String)>> {
    let patched = patched_in(course, patch, files, |path| course.original(path))?;
    patched.with_context(|| format!("{} no longer applies", patch.display()))
}

/// In a directory of its own, so that a patch which does not fit changes nothing.
fn patched_in(
    course: &Course,
    patch: &Path,
    files: &[PathBuf],
    text: impl Fn(&Path) -> Result<String>,
) -> Result<Option<Vec<(PathBuf, String)>>> {
    let scratch = tempfile::tempdir().context("mkdtemp")?;
    for path in files {
        if let Ok(text) = text(path) {
            write_file(&scratch.path().join(path), text)?; // a file that is not there yet is new
        }
    }
    if !course.git.apply(patch, scratch.path())? {
        return Ok(None);
    }
    let patched = |path: &PathBuf| Ok((path.clone(), read(&scratch.path().join(path))?));
    files.iter().map(patched).collect::<Result<Vec<_>>>().map(Some)
}
