//! `make check-NN` in the middle of an exercise: is something left to write, does it compile, and
//! what is the first thing that is not yet right?

use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::unistd::geteuid;

use crate::begin;
use crate::course::Course;
use crate::declaration::{Chapter, Exercise, Kind, steps};
use crate::help;
use crate::hollow;
use crate::judge::{self, End, Judged, Set, Verdict};
use crate::show::{deeply_indented, heading, indented, paint};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All holds.
    Solved,
    /// Something does not.
    NotYet,
}

/// Judges the chapter `named`, shows the result, and remembers when the open exercise is solved.
pub fn check(course: &mut Course, named: &str, sudo: Option<&str>) -> Result<Outcome> {
    let chapter = course.chapter(named)?;
    let opened = course.opened()?.filter(|(open, _)| open.step == chapter.step);
    match &opened {
        Some((_, exercise)) => println!("{}\n", heading(&chapter, exercise)),
        None => println!("{}\n", paint("1", &chapter.step)),
    }
    let Some(results) = judged(course, &chapter, opened.as_ref().map(|(_, it)| it), sudo)? else {
        return Ok(Outcome::NotYet);
    };
    let outcome = match &opened {
        Some((_, exercise)) => of_exercise(&chapter, exercise, &results),
        None => of_chapter(&results),
    };
    if let Some((_, exercise)) = opened.as_ref().filter(|_| outcome == Outcome::Solved) {
        let open = course.store.state.open.as_ref().context("an open exercise")?;
        if exercise.kind == Kind::Bug
            && !open.solved
            && begin::is_untouched(course, &chapter, exercise)?
        {
            println!("\n{}", indented("Nothing fails this time, but the bug is where it was."));
            println!("{}", indented(&not_seen_by(chapter.number(), sudo)));
            return Ok(Outcome::NotYet);
        }
        course.solve()?;
        println!("\n{}\n\n{}\n", paint("32", "Solved."), indented(&exercise.text.explanation));
        let open = course.store.state.open.as_ref().context("an open exercise")?;
        if exercise.kind == Kind::Write && help::is_courses(course, &chapter, exercise)? {
            let words = "What stands there is the course's text, letter for letter: git stash and git checkout bring it back, too.";
            println!("{}\n", indented(words));
        }
        after(&chapter, exercise, open.in_courses_text);
    }
    Ok(outcome)
}

/// Why a bug may not show.
fn not_seen_by(number: &str, sudo: Option<&str>) -> String {
    match sudo.is_some() || geteuid().is_root() {
        true => "It does not show at every start.".to_owned(),
        false => format!(
            "It does not show at every start, or not to every user: make check-{number} as root, or \
             with SUDO=sudo, tries more."
        ),
    }
}

/// Runs the claims. None when there is a simpler answer, which has been shown: it does not compile,
/// something is left to write, it does not end.
fn judged(
    course: &Course,
    chapter: &Chapter,
    exercise: Option<&Exercise>,
    sudo: Option<&str>,
) -> Result<Option<Vec<Judged>>> {
    let holes = holes(course, chapter)?;
    let extension = exercise.filter(|exercise| exercise.kind == Kind::Extend);
    let sets = [extension.map(|_| Set::Extensions), Some(Set::Chapter)];
    let mut results: Vec<Judged> = Vec::new();
    for set in sets.into_iter().flatten() {
        let Some(claims) = judge::build(&course.top, &chapter.step, set, false)? else {
            println!("It does not compile: the compiler's message is above.");
            return Ok(None);
        };
        let others = |judged: &Judged| {
            set == Set::Extensions
                && extension.is_some_and(|it| !it.text.claims.contains(&judged.claim))
        };
        let mut reached = None;
        let end = judge::run(&course.top, &claims, sudo, |judged| {
            reached = reached.take().or_else(|| reached_hole(&judged, &holes));
            if !others(&judged) {
                results.push(judged);
            }
            reached.is_none()
        })?;
        if let Some(hole) = reached {
            left_to_write(&hole, &holes);
            return Ok(None);
        }
        if matches!(end, End::Hangs) {
            does_not_end(chapter, exercise, results.last());
            return Ok(None);
        }
    }
    if !holes.is_empty() && !results.iter().any(Judged::fails) {
        println!("Nothing fails, but no claim has come to what is left to write:\n");
        holes.iter().for_each(|hole| println!("  {}", hole.place()));
        return Ok(None);
    }
    Ok(Some(results))
}

/// Something that is left to write.
struct Hole {
    path: PathBuf,
    line: usize,
    /// The message of `todo!` there.
    task: String,
}

impl Hole {
    fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.line)
    }
}

/// Everything that is left to write, in this chapter and the ones before.
fn holes(course: &Course, chapter: &Chapter) -> Result<Vec<Hole>> {
    let mut found = Vec::new();
    for step in steps(&course.top)?.into_iter().filter(|step| *step <= chapter.step) {
        for path in course.files(&step)? {
            let text = std::fs::read_to_string(course.top.join(&path)).unwrap_or_default();
            for line in hollow::holes(&text) {
                let task = text.lines().nth(line - 1).and_then(|line| line.split('"').nth(1));
                let task = task.unwrap_or("todo!()").to_owned();
                found.push(Hole { path: path.clone(), line, task });
            }
        }
    }
    Ok(found)
}

/// The message of `todo!`, if the step has come to one.
fn reached_hole(judged: &Judged, holes: &[Hole]) -> Option<String> {
    if let Some((_, message)) = judged.reason().split_once("not yet implemented") {
        let line = message.trim_start_matches(": ").lines().next().unwrap_or_default();
        return Some(line.split(" note: run with").next().unwrap_or_default().trim().to_owned());
    }
    // Where the launcher panics only its exit code is seen: 101, or 134 for a panic in a panic.
    let panicked = ["101", "134"].contains(&judged.reason());
    holes.first().filter(|_| panicked).map(|hole| hole.task.clone())
}

fn left_to_write(hole: &str, holes: &[Hole]) {
    println!("The step comes to something that is left to write:\n");
    println!("  {}", if hole.is_empty() { "todo!()" } else { hole });
    holes.iter().for_each(|hole| println!("  {}", hole.place()));
}

/// Which claim comes to it first is chance, so that one looks at what is being written.
fn does_not_end(chapter: &Chapter, exercise: Option<&Exercise>, last: Option<&Judged>) {
    println!("It does not end. The step was stopped, with everything that it had started.\n");
    let places = exercise.map(|exercise| exercise.places(&chapter.step)).unwrap_or_default();
    let place = |(path, name): &(PathBuf, &str)| format!("{name} in {}", path.display());
    let look = places.iter().map(place).collect::<Vec<_>>().join("; ");
    match last {
        Some(judged) if look.is_empty() => evidence(judged),
        Some(judged) => evidence(&Judged { look, ..judged.clone() }),
        None => println!("  Not even the first claim came to an end."),
    }
    println!(
        "\n{}",
        indented(
            "Either it loops, or it waits for what never comes, or the payload is not where it should be."
        )
    );
}

/// One sentence with what it came to for root and for an ordinary user.
struct Line<'a> {
    claim: &'a str,
    of: Vec<&'a Judged>,
}

impl<'a> Line<'a> {
    fn all(results: &'a [Judged]) -> Vec<Line<'a>> {
        let mut lines: Vec<Line> = Vec::new();
        for judged in results {
            match lines.iter_mut().find(|line| line.claim == judged.claim) {
                Some(line) => line.of.push(judged),
                None => lines.push(Line { claim: &judged.claim, of: vec![judged] }),
            }
        }
        lines
    }

    fn failed(&self) -> Option<&'a Judged> {
        self.of.iter().find(|judged| judged.fails()).copied()
    }

    fn skipped(&self) -> Option<&'a str> {
        let reasons = self.of.iter().map(|judged| match &judged.verdict {
            Verdict::Skipped(reason) => Some(reason.as_str()),
            _ => None,
        });
        reasons.collect::<Option<Vec<_>>>().and_then(|reasons| reasons.into_iter().next())
    }
}

/// The exercise's claims in the order in which one gets them right, up to the first that fails.
fn of_exercise(chapter: &Chapter, exercise: &Exercise, results: &[Judged]) -> Outcome {
    let lines = Line::all(results);
    let its: Vec<&Line> = match exercise.kind {
        Kind::Bug => Vec::new(), // which claims would give it away
        _ => exercise
            .text
            .claims
            .iter()
            .filter_map(|claim| lines.iter().find(|line| line.claim == claim))
            .collect(),
    };
    let rest: Vec<&Line> =
        lines.iter().filter(|line| !its.iter().any(|it| it.claim == line.claim)).collect();
    for (index, line) in its.iter().enumerate() {
        if let Some(judged) = line.failed() {
            evidence(judged);
            let more = its.len() - index - 1;
            if more > 0 {
                println!("  {}    {more} more, once this holds", paint("2", ".."));
            }
            one_line("of the chapter's other claims", &rest);
            println!("\nmake hint-{} gives a hint.", chapter.number());
            return Outcome::NotYet;
        }
        holds(line);
    }
    if let Some(judged) = rest.iter().find_map(|line| line.failed()) {
        evidence(judged);
        one_line("of the chapter's claims", &lines.iter().collect::<Vec<_>>());
        return Outcome::NotYet;
    }
    let which =
        if its.is_empty() { "of the chapter's claims" } else { "of the chapter's other claims" };
    one_line(which, &rest);
    match exercise.is_shown_by(results) {
        true => Outcome::Solved,
        false => {
            println!("\nNothing fails, but this user cannot try what would show that it holds.");
            println!("make check-{} as root, or with SUDO=sudo, does.", chapter.number());
            Outcome::NotYet
        }
    }
}

fn of_chapter(results: &[Judged]) -> Outcome {
    let lines = Line::all(results);
    for line in &lines {
        match line.failed() {
            Some(judged) => evidence(judged),
            None => holds(line),
        }
    }
    match lines.iter().any(|line| line.failed().is_some()) {
        true => Outcome::NotYet,
        false => Outcome::Solved,
    }
}

fn holds(line: &Line) {
    match line.skipped() {
        Some(reason) => println!("  {}    {}  ({reason})", paint("33", "--"), line.claim),
        None => println!("  {}    {}", paint("32", "OK"), line.claim),
    }
}

/// How many of the commands of an experiment are shown.
const SHOWN: usize = 4;

/// The claim that fails: what was run, what was expected, what was found, where to look.
fn evidence(judged: &Judged) {
    println!("  {}  {}  (as {})", paint("31", "FAIL"), judged.claim, judged.identity);
    let older = judged.commands.len().saturating_sub(SHOWN);
    if older > 0 {
        println!("          ({older} commands before these)");
    }
    judged.commands[older..].iter().for_each(|command| println!("          $ {command}"));
    match &judged.verdict {
        Verdict::Refuted { what, expected, found } => {
            println!("          {what}\n            expected: {expected}");
            println!("            found:    {}", paint("31", found));
        }
        other => {
            let (Verdict::Untried(reason) | Verdict::Hangs(reason)) = other else { return };
            let command = judged.commands.last().map_or("", String::as_str); // stands above already
            let reason = reason.strip_prefix(command).unwrap_or(reason).trim_start_matches(": ");
            reason.lines().for_each(|line| println!("{}", deeply_indented(line)));
        }
    }
    println!("{}", deeply_indented(&format!("look at {}", judged.look)));
}

fn one_line(which: &str, lines: &[&Line]) {
    let failed = lines.iter().filter(|line| line.failed().is_some()).count();
    let skipped =
        lines.iter().filter(|line| line.failed().is_none() && line.skipped().is_some()).count();
    let held = lines.len() - failed - skipped;
    println!("  {}    {which}: {held} hold, {failed} fail, {skipped} not tried", paint("2", ".."));
}

fn after(chapter: &Chapter, exercise: &Exercise, came_back: bool) {
    let number = chapter.number();
    if exercise.kind != Kind::Bug {
        println!("make solution-{number} shows how the course does it.");
    }
    let word = if exercise.kind == Kind::Bug { "bug" } else { "practice" };
    let yours = match came_back {
        true => "What you had written before is in the tree again.",
        false => "Yours is in the tree; commit it when you like.",
    };
    println!("make {word}-{number} goes on. {yours}");
}

/// Whether the tree is as the learner must not mistake it: something is left to write, or a bug is
/// hidden. In words; empty otherwise.
pub fn status(course: &Course) -> Result<String> {
    let Some((chapter, exercise)) = course.opened()? else { return Ok(String::new()) };
    let open = course.store.state.open.as_ref().context("an open exercise")?;
    if open.solved {
        return Ok(String::new());
    }
    Ok(format!(
        "exercise {} {} is open: steps/{} is not the course's now (make reset-{} ends it)",
        chapter.number(),
        chapter.label(&exercise),
        chapter.step,
        chapter.number()
    ))
}
