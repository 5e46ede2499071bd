//! The commands of practice: make practice-NN, check-NN, hint-NN and the others.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use practice::check::Outcome;
use practice::course::Course;
use practice::{begin, check, help, page, progress, state, watch};

/// Exercises: make practice-NN, check-NN, watch-NN, hint-NN, solution-NN, reset-NN, bug-NN, progress
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Begin the chapter's next exercise, or the named one
    Start {
        /// Chapter
        chapter: String,
        /// An exercise's name; all: the whole library; main: the main
        #[arg(long)]
        exercise: Option<String>,
    },
    /// Hide a bug in the chapter's step
    Bug {
        /// Chapter
        chapter: String,
        /// Which
        #[arg(long)]
        number: Option<usize>,
    },
    /// Judge the chapter's step
    Check {
        /// Chapter
        chapter: String,
        /// Program that makes the claims root's
        #[arg(long)]
        sudo: Option<String>,
    },
    /// Judge it at each save
    Watch {
        /// Chapter
        chapter: String,
        /// Program that makes the claims root's
        #[arg(long)]
        sudo: Option<String>,
    },
    /// Show one hint more
    Hint {
        /// Chapter
        chapter: String,
    },
    /// Show how the course does it
    Solution {
        /// Chapter
        chapter: String,
    },
    /// Give the open exercise up
    Reset {
        /// Chapter
        chapter: String,
        /// The whole chapter as the course has it
        #[arg(long)]
        all: bool,
    },
    /// Which exercises are done, found out by checking
    Progress {
        /// Program that makes the claims root's
        #[arg(long)]
        sudo: Option<String>,
    },
    /// Print what is open; exit code 0 if something is
    Status {
        /// Only of this chapter
        chapter: Option<String>,
        /// Print nothing
        #[arg(long)]
        quiet: bool,
    },
    /// Print or record the course's commit
    Commit {
        /// The commit
        name: Option<String>,
    },
    /// Write the course's version of the whole tree to a directory
    Original {
        /// An empty directory
        directory: std::path::PathBuf,
    },
    /// Judge students' trees: directories, or archives of them
    Grade {
        /// What they handed in
        trees: Vec<std::path::PathBuf>,
        /// Where the report goes
        #[arg(long)]
        json: Option<std::path::PathBuf>,
    },
    /// Write the steps of this tree to an archive
    HandIn {
        /// A name that ends in .tar
        archive: std::path::PathBuf,
    },
    /// Print the page section of a chapter
    Page {
        /// Chapter
        chapter: String,
    },
}

fn main() -> ExitCode {
    // Whoever closes the pipe early has read enough.
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    match run(Args::parse().action) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {}", in_order(&error));
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, from the attempt to its cause; then what helps.
fn in_order(error: &anyhow::Error) -> String {
    let (mut causes, mut hints) = (Vec::new(), String::new());
    for cause in error.chain().map(ToString::to_string) {
        let (cause, hint) = cause.split_at(cause.find("\nhint: ").unwrap_or(cause.len()));
        causes.push(cause.to_owned());
        hints += hint;
    }
    causes.join(": ") + &hints
}

fn run(action: Action) -> Result<ExitCode> {
    match action {
        Action::Start { chapter, exercise } => {
            begin::practice(&mut Course::open()?, &chapter, exercise.as_deref())?;
        }
        Action::Bug { chapter, number } => begin::bug(&mut Course::open()?, &chapter, number)?,
        Action::Check { chapter, sudo } => {
            let outcome = check::check(&mut Course::open()?, &chapter, given(&sudo))?;
            return Ok(ExitCode::from(u8::from(outcome != Outcome::Solved)));
        }
        Action::Watch { chapter, sudo } => watch::watch(&chapter, given(&sudo))?,
        Action::Hint { chapter } => help::hint(&mut Course::open()?, &chapter)?,
        Action::Solution { chapter } => help::solution(&Course::open()?, &chapter)?,
        Action::Reset { chapter, all } => help::reset(&mut Course::open()?, &chapter, all)?,
        Action::Progress { sudo } => progress::progress(&Course::open()?, given(&sudo))?,
        Action::Status { chapter, quiet } => return status(chapter.as_deref(), quiet),
        Action::Commit { name } => commit(name.as_deref())?,
        Action::Original { directory } => {
            let course = Course::open()?;
            std::fs::create_dir_all(&directory)?;
            course.git.export(&course.commit()?, &directory)?;
        }
        Action::Grade { trees, json } => {
            let all = practice::grade::grade(&Course::open()?, &trees, json.as_deref())?;
            return Ok(ExitCode::from(u8::from(!all)));
        }
        Action::HandIn { archive } => {
            let top = std::env::current_dir()?;
            let count = practice::grade::hand_in::write(&top, &top.join(&archive))?;
            println!("{}: {count} files of your steps", archive.display());
        }
        Action::Page { chapter } => print!("{}", page::section(&page::chapter(&chapter)?)),
    }
    Ok(ExitCode::SUCCESS)
}

/// make passes an empty word where nothing is set.
fn given(sudo: &Option<String>) -> Option<&str> {
    sudo.as_deref().filter(|sudo| !sudo.is_empty())
}

fn status(chapter: Option<&str>, quiet: bool) -> Result<ExitCode> {
    let Ok(course) = Course::open() else { return Ok(ExitCode::FAILURE) }; // no git, no exercise
    let step = chapter.map(|named| course.chapter(named)).transpose()?.map(|chapter| chapter.step);
    let open = &course.store.state.open;
    let here = |open: &state::Open| step.as_ref().is_none_or(|step| *step == open.step);
    let words = if chapter.is_some() { String::new() } else { check::status(&course)? };
    if !quiet && !words.is_empty() {
        println!("{words}");
    }
    let yes = match chapter {
        Some(_) => open.as_ref().is_some_and(here),
        None => !words.is_empty(),
    };
    Ok(if yes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn commit(name: Option<&str>) -> Result<()> {
    let mut course = Course::open()?;
    if let Some(name) = name {
        course.store.state.course = Some(course.git.commit(name)?);
        course.store.save()?;
    }
    println!("{}", course.commit()?);
    Ok(())
}
