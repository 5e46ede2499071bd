//! `make progress`: what is done, found out by checking the tree as it is.

use anyhow::Result;

use crate::course::Course;
use crate::declaration::{Chapter, Exercise, Kind};
use crate::hollow::{Source, holes, same_code};
use crate::judge::{self, Judged, Set};
use crate::show::paint;
use crate::state::{key, read};

/// What can be said of an exercise.
#[derive(Clone, Copy, PartialEq)]
enum Done {
    /// The learner's own, and it holds.
    Yes,
    /// The learner's own, and it fails.
    Fails,
    /// The learner's own, and this user cannot try what judges it.
    Untried,
    /// Something is left to write.
    Open,
    /// The course's.
    No,
}

/// Prints a line for each chapter and each exercise in it.
pub fn progress(course: &Course, sudo: Option<&str>) -> Result<()> {
    let (mut counts, mut untried) = ((0, 0), false);
    for chapter in Chapter::all(&course.top)? {
        let own: Vec<Done> = chapter
            .exercises
            .iter()
            .map(|exercise| before_checking(course, &chapter, exercise))
            .collect::<Result<_>>()?;
        let results =
            if own.contains(&Done::Yes) { claims(course, &chapter, sudo)? } else { Vec::new() };
        println!("{}", paint("1", &chapter.step));
        for (exercise, own) in chapter.exercises.iter().zip(own) {
            let done = after_checking(exercise, own, &results);
            counts = (counts.0 + usize::from(done == Done::Yes), counts.1 + 1);
            untried |= done == Done::Untried;
            line(&chapter, exercise, done);
        }
    }
    println!("\n{} of {} done", counts.0, counts.1);
    if untried {
        println!("root? can be judged as root only, or with SUDO=sudo");
    }
    Ok(())
}

fn line(chapter: &Chapter, exercise: &Exercise, done: Done) {
    let word = match done {
        Done::Yes => paint("32", "done "),
        Done::Fails => paint("31", "fails"),
        Done::Untried => paint("33", "root?"),
        Done::Open => paint("33", "open "),
        Done::No => "     ".to_owned(),
    };
    let subject = if exercise.kind == Kind::Bug { "" } else { &exercise.text.title };
    let stars = exercise.stars();
    println!("  {word}  {stars:<5}  {:<16} {subject}", chapter.label(exercise));
}

/// What the text of the tree says.
fn before_checking(course: &Course, chapter: &Chapter, exercise: &Exercise) -> Result<Done> {
    let solved = course.store.state.solved.contains(&key(chapter, exercise));
    let open = course.store.state.open.as_ref();
    let open = open.filter(|open| open.step == chapter.step && !open.solved);
    if open.is_some_and(|open| open.exercise == exercise.text.name || open.exercise == "all") {
        return Ok(Done::Open);
    }
    Ok(match exercise.kind {
        Kind::Bug if solved => Done::Yes, // a bug that was found leaves nothing to look at
        Kind::Bug => Done::No,
        Kind::Extend if solved || is_changed(course, chapter)? => Done::Yes, // its claims decide
        Kind::Extend => Done::No,
        Kind::Write if exercise.text.main => match solved {
            true => Done::Yes,
            false => Done::No,
        },
        Kind::Write => of_functions(course, chapter, exercise, solved)?,
    })
}

fn of_functions(
    course: &Course,
    chapter: &Chapter,
    exercise: &Exercise,
    solved: bool,
) -> Result<Done> {
    let mut own = solved; // whoever writes the very same words has written them, too
    for (path, name) in exercise.places(&chapter.step) {
        let Ok(text) = read(&course.top.join(&path)) else { return Ok(Done::Fails) };
        let Ok(source) = Source::parse(&text) else { return Ok(Done::Fails) };
        let Ok(function) = source.function_text(name) else { return Ok(Done::Fails) };
        if !holes(function).is_empty() {
            return Ok(Done::Open);
        }
        let original = course.original(&path)?;
        own |= !same_code(function, Source::parse(&original)?.function_text(name)?);
    }
    Ok(if own { Done::Yes } else { Done::No })
}

/// What the kernel says of what is the learner's own.
fn after_checking(exercise: &Exercise, own: Done, results: &[(Set, Judged)]) -> Done {
    if own != Done::Yes || exercise.kind == Kind::Bug {
        return own;
    }
    let set = if exercise.kind == Kind::Extend { Set::Extensions } else { Set::Chapter };
    let its = results.iter().filter(|(its, judged)| *its == set && exercise.is_judged_by(judged));
    let its: Vec<Judged> = its.map(|(_, judged)| judged.clone()).collect();
    let fails = its.is_empty() || its.iter().any(Judged::fails); // empty: it does not compile
    match exercise.is_shown_by(&its) {
        true if !fails => Done::Yes,
        _ if exercise.kind == Kind::Extend => Done::No,
        _ if fails => Done::Fails,
        _ => Done::Untried,
    }
}

/// Whether the chapter has something that the course's has not.
fn is_changed(course: &Course, chapter: &Chapter) -> Result<bool> {
    for path in course.files(&chapter.step)? {
        let original = course.git.file(&course.commit()?, &path)?;
        if read(&course.top.join(&path)).ok() != original {
            return Ok(true);
        }
    }
    Ok(false)
}

fn claims(course: &Course, chapter: &Chapter, sudo: Option<&str>) -> Result<Vec<(Set, Judged)>> {
    let mut all = Vec::new();
    let extensions = chapter.of(Kind::Extend).next().map(|_| Set::Extensions);
    for set in [Set::Chapter].into_iter().chain(extensions) {
        if let Some(claims) = judge::build(&course.top, &chapter.step, set, true)? {
            judge::run(&course.top, &claims, sudo, |judged| {
                all.push((set, judged));
                true
            })?;
        }
    }
    Ok(all)
}
