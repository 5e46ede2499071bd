//! `make grade`: students' trees, judged by the course's claims.
//!
//! A student's code could read files while it is compiled, and do anything while it runs. So only
//! the text of their steps is taken, and everything else is the course's. It is compiled and run in
//! containers of step 09, in which even root is a throw-away user of the machine. In there the
//! judge is root and the student's code is not, so that it cannot reach the judge.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::course::Course;
use crate::declaration::{Chapter, Exercise, Kind};
use crate::hollow;
use crate::judge::{self, Judged, Verdict};

mod base;
pub mod hand_in;
mod jail;

use base::Base;
use hand_in::Work;

/// What a tree came to.
#[derive(Serialize)]
struct Report {
    tree: String,
    points: u32,
    of: u32,
    /// Why the tree could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    exercises: Vec<Mark>,
}

/// What an exercise came to.
#[derive(Clone, Serialize)]
struct Mark {
    chapter: String,
    exercise: String,
    points: u32,
    of: u32,
    /// Whether the text is the course's: whoever wrote it, it shows nothing.
    same_as_course: bool,
    why: String,
}

/// Judges trees. Returns whether all could be judged.
pub fn grade(course: &Course, trees: &[PathBuf], json: Option<&Path>) -> Result<bool> {
    ensure!(!trees.is_empty(), "no tree: make grade TREE=DIR, or TREE='hand-ins/*'");
    let base = Base::prepare(course)?;
    let chapters = Chapter::all(&base.tree())?;
    let mut reports = Vec::new();
    for (index, tree) in trees.iter().enumerate() {
        let name = name_of(tree);
        eprintln!("{name} ({} of {})", index + 1, trees.len());
        let report = match judge_tree(&base, &chapters, tree, index) {
            Ok(exercises) => sum(name, exercises, None),
            Err(error) => sum(name, Vec::new(), Some(format!("{error:#}"))),
        };
        reports.push(report);
    }
    table(&chapters, &reports);
    let text = serde_json::to_string_pretty(&reports)? + "\n";
    let path = json.map_or_else(|| base.directory.join("report.json"), Path::to_owned);
    crate::state::write(&path, text)?;
    println!("\nEach exercise with its reason: {}", path.display());
    println!(
        "Judged as an ordinary user. What only root can show is judged in a machine that is thrown\n\
         away: make vm CMD='make check SUDO=sudo' in a tree, some five minutes each."
    );
    Ok(reports.iter().all(|report| report.error.is_none()))
}

/// The last part of a path, which may be anything, in letters that a terminal shows as they are.
fn name_of(tree: &Path) -> String {
    let name = tree.file_name().unwrap_or(tree.as_os_str()).to_string_lossy();
    name.chars().map(|c| if c.is_control() { '?' } else { c }).take(40).collect()
}

fn sum(tree: String, exercises: Vec<Mark>, error: Option<String>) -> Report {
    let add = |part: fn(&Mark) -> u32| exercises.iter().map(part).sum();
    Report { tree, points: add(|mark| mark.points), of: add(|mark| mark.of), error, exercises }
}

fn judge_tree(base: &Base, chapters: &[Chapter], tree: &Path, index: usize) -> Result<Vec<Mark>> {
    let work = hand_in::read(tree)?;
    let layer = base.layer(index)?;
    let place = base.directory.join(format!("student-{index}"));
    work.write(&place)?;
    let built = base.compile(&layer, &place)?;
    let mut marks = Vec::new();
    for chapter in chapters {
        let results = match built.get(&chapter.step) {
            Some(true) => base.judge(&layer, &chapter.step),
            _ => Ok(Vec::new()),
        };
        let compiles = built.get(&chapter.step) == Some(&true);
        for exercise in chapter.exercises.iter().filter(|it| it.kind != Kind::Bug) {
            marks.push(mark(base, chapter, exercise, &work, compiles, &results)?);
        }
    }
    let _ = fs::remove_dir_all(&place);
    base.forget(&layer);
    Ok(marks)
}

fn mark(
    base: &Base,
    chapter: &Chapter,
    exercise: &Exercise,
    work: &Work,
    compiles: bool,
    results: &Result<Vec<Judged>>,
) -> Result<Mark> {
    let of = u32::from(exercise.text.difficulty);
    let why = reason(chapter, exercise, work, compiles, results);
    Ok(Mark {
        chapter: chapter.step.clone(),
        exercise: exercise.text.name.clone(),
        points: if why.is_empty() { of } else { 0 },
        of,
        same_as_course: same_as_course(base, chapter, exercise, work)?,
        why: if why.is_empty() { "its claims hold".into() } else { why },
    })
}

/// Why an exercise gets no points; empty if it gets them.
fn reason(
    chapter: &Chapter,
    exercise: &Exercise,
    work: &Work,
    compiles: bool,
    results: &Result<Vec<Judged>>,
) -> String {
    if !work.has(&chapter.step) {
        return "not handed in".into();
    }
    if !compiles {
        return "it does not compile, or a chapter before it does not".into();
    }
    let results = match results {
        Ok(results) => results,
        Err(error) => return format!("it could not be judged: {error:#}"),
    };
    for (path, name) in exercise.places(&chapter.step) {
        if hollow_in(work, &path, name) {
            return format!("{name} is still to be written");
        }
    }
    let its = results.iter().filter(|judged| exercise.text.claims.contains(&judged.claim));
    let its: Vec<&Judged> = its.collect();
    if let Some(failed) = its.iter().find(|judged| judged.fails()) {
        return format!("fails: {}: {}", failed.claim, short(failed.reason()));
    }
    match its.iter().any(|judged| judged.verdict == Verdict::Held) {
        true => String::new(),
        false => "only root can show it".into(),
    }
}

/// The beginning of what the harness says, which may quote the student's program, in one line.
fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn hollow_in(work: &Work, path: &Path, name: &str) -> bool {
    let Some(text) = work.files.get(path) else { return true };
    let Ok(source) = hollow::Source::parse(text) else { return true };
    source.function_text(name).map_or(true, |function| !hollow::holes(function).is_empty())
}

fn same_as_course(
    base: &Base,
    chapter: &Chapter,
    exercise: &Exercise,
    work: &Work,
) -> Result<bool> {
    let mut paths: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    for (path, name) in exercise.places(&chapter.step) {
        paths.entry(path).or_default().push(name);
    }
    if exercise.text.main {
        paths.insert(Path::new("steps").join(&chapter.step).join("src/main.rs"), Vec::new());
    }
    for (path, names) in &paths {
        let own = work.files.get(path).map_or("", String::as_str);
        let original = fs::read_to_string(base.tree().join(path))
            .with_context(|| format!("read {}", path.display()))?;
        let same = match names.is_empty() {
            true => hollow::same_code(own, &original),
            false => names.iter().all(|name| same_function(own, &original, name)),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(!paths.is_empty())
}

fn same_function(own: &str, original: &str, name: &str) -> bool {
    let text = |file: &str| {
        let source = hollow::Source::parse(file).ok()?;
        source.function_text(name).ok().map(str::to_owned)
    };
    text(own).zip(text(original)).is_some_and(|(own, original)| hollow::same_code(&own, &original))
}

/// A line for each tree, a column for each chapter.
fn table(chapters: &[Chapter], reports: &[Report]) {
    let head: String = chapters.iter().map(|chapter| format!("{:>7}", chapter.number())).collect();
    println!("{:<24}{head}   points", "");
    for report in reports {
        let cell = |chapter: &Chapter| {
            let its = report.exercises.iter().filter(|mark| mark.chapter == chapter.step);
            let (points, of) = its.fold((0, 0), |(a, b), mark| (a + mark.points, b + mark.of));
            format!("{:>7}", format!("{points}/{of}"))
        };
        let cells: String = chapters.iter().map(cell).collect();
        match &report.error {
            Some(error) => println!("{:<24}  {error}", report.tree),
            None => println!("{:<24}{cells}   {}/{}", report.tree, report.points, report.of),
        }
    }
}

/// The harness's lines, as far as they can be understood: the rest does not come from the harness.
fn parse_all(text: &str) -> Result<Vec<Judged>> {
    text.lines().filter(|line| line.starts_with('{')).map(judge::parse).collect()
}
