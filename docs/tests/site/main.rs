//! Keeps the book whole: links, commands, terms, manual pages and pictures, and what a browser makes
//! of it. What cannot be checked here is skipped with a word.

mod browser;
mod pages;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Trial};

/// Fails with all that is wrong, a line each.
type Check = fn() -> Result<()>;

fn main() -> ExitCode {
    let checks: [(&str, Check); 8] = [
        ("links_and_anchors_lead_somewhere", pages::links),
        ("commands_are_run_or_say_why_not", pages::commands),
        ("transcripts_of_two_readers_do_not_meet", pages::readers),
        ("terms_of_the_glossary_are_used", pages::terms),
        ("manual_pages_exist", pages::manual),
        ("exam_answers_are_in_their_sections", pages::exam),
        ("pictures_are_those_of_their_text", pictures),
        ("pages_fit_in_a_browser", browser::every_page),
    ];
    let trial = |(name, check): (&str, Check)| {
        let missing = missing(name);
        if let Some(program) = missing {
            eprintln!("{name}: skipped, because {program} is not installed");
        }
        Trial::test(name, move || check().map_err(|error| format!("{error:#}").into()))
            .with_ignored_flag(missing.is_some())
    };
    libtest_mimic::run(&Arguments::from_args(), checks.into_iter().map(trial).collect()).exit_code()
}

/// The program that a check needs and that is not here.
fn missing(check: &str) -> Option<&'static str> {
    let needed: &[&[&str]] = match check {
        "manual_pages_exist" => &[&["man"]],
        "pages_fit_in_a_browser" => &[browser::MDBOOK, browser::CHROMIUM],
        _ => &[],
    };
    needed.iter().find(|names| find(names).is_err()).map(|names| names[0])
}

/// Where one of these programs is: in target/mdbook, as tools/mdbook builds it, or on the PATH.
fn find(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = top().join("target/mdbook/bin");
    let places: Vec<PathBuf> = [own].into_iter().chain(std::env::split_paths(&path)).collect();
    let mut programs = names.iter().flat_map(|name| places.iter().map(move |it| it.join(name)));
    programs.find(|it| it.is_file()).with_context(|| format!("no {}", names[0]))
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Draws all figures elsewhere, and compares.
fn pictures() -> Result<()> {
    let place = tempfile::tempdir()?;
    let docs = place.path().join("docs");
    std::fs::create_dir_all(docs.join("src/figures"))?;
    std::os::unix::fs::symlink(top().join("docs/figures"), docs.join("figures"))?;
    let drawn = Command::new(env!("CARGO_BIN_EXE_mdbook-course"))
        .arg("draw")
        .current_dir(place.path())
        .status()?;
    ensure!(drawn.success(), "mdbook-course draw fails");
    for figure in pages::files(&docs.join("src/figures"))? {
        let name = figure.file_name().unwrap_or_default();
        let kept = std::fs::read_to_string(top().join("docs/src/figures").join(name));
        ensure!(
            kept.is_ok_and(|kept| std::fs::read_to_string(&figure).is_ok_and(|new| new == kept)),
            "{} is not what its text says: target/debug/mdbook-course draw",
            name.display()
        );
    }
    Ok(())
}
