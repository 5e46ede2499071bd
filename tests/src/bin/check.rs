//! Tells a reader what became of the claims of chapters: `make check-NN` and `make check`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use harness::{ClaimReport, Event, Observation, REPORT, Verdict, paint, restore_sigpipe};

/// Runs the claims of chapters and tells, claim by claim, whether the kernel bears them out; exit
/// code 1 if it does not
#[derive(Parser)]
struct Args {
    /// text for people, json and tap (testanything.org) for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Tell of every claim what was run and what the kernel showed
    #[arg(long)]
    verbose: bool,

    /// The built tests/claims.rs of the chapters: `cargo test --no-run` prints where they are
    #[arg(value_name = "PROGRAM", required = true)]
    claims: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Text,
    Json,
    Tap,
}

fn main() -> ExitCode {
    restore_sigpipe();
    let args = Args::parse();
    match check(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all held.
fn check(args: &Args) -> Result<bool> {
    let mut all = Vec::new();
    for claims in &args.claims {
        all.extend(chapter(args, claims)?);
    }
    match args.format {
        Format::Text if args.claims.len() > 1 => table(&all),
        Format::Text => {}
        Format::Json => println!("{}", serde_json::to_string_pretty(&all)?),
        Format::Tap => tap(&all),
    }
    Ok(!all.iter().any(failed))
}

fn failed(told: &ClaimReport) -> bool {
    matches!(told.verdict, Verdict::Fail(_) | Verdict::Untried(_))
}

/// Runs the claims of one chapter, and tells them as they come.
fn chapter(args: &Args, claims: &Path) -> Result<Vec<ClaimReport>> {
    let mut child = Command::new(claims).env(REPORT, "json").stdout(Stdio::piped()).spawn();
    let child =
        child.as_mut().map_err(|error| anyhow::anyhow!("run {}: {error}", claims.display()))?;
    let mut all: Vec<ClaimReport> = Vec::new();
    let mut begun = 0;
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let told: ClaimReport =
            serde_json::from_str(&line?).with_context(|| claims.display().to_string())?;
        if args.format == Format::Text && all.last().is_some_and(|last| last.claim != told.claim) {
            tell(args, &all[begun..]);
            begun = all.len();
        }
        if args.format == Format::Text && all.is_empty() {
            println!("{}", paint("1", &told.chapter));
        }
        all.push(told);
    }
    if args.format == Format::Text {
        tell(args, &all[begun..]);
        summary(&all);
    }
    let status = child.wait().context("waitpid")?;
    anyhow::ensure!(status.success(), "{} ended with {status}", claims.display());
    Ok(all)
}

/// One claim: a line for those identities for whom it came to the same.
fn tell(args: &Args, claim: &[ClaimReport]) {
    let mut rest: Vec<&ClaimReport> =
        claim.iter().filter(|told| !matches!(told.verdict, Verdict::Skipped(_))).collect();
    while let Some(first) = rest.first().copied() {
        let (same, other): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|told| told.verdict == first.verdict);
        let who: Vec<&str> = same.iter().map(|told| told.identity.as_str()).collect();
        line(first, &who.join(" "));
        if failed(first) || args.verbose {
            evidence(first);
        }
        rest = other;
    }
}

fn line(told: &ClaimReport, who: &str) {
    let says = &told.claim;
    let (word, note) = match (&told.verdict, &told.before) {
        (Verdict::Ok, Some((before, _))) => {
            (paint("32", "OK  "), format!("not yet in {}", &before[..2]))
        }
        (Verdict::Ok, None) => (paint("32", "OK  "), String::new()),
        _ => (paint("31", "FAIL"), String::new()),
    };
    let note = note.replace("not yet in th", "not so on the host");
    println!("{}", format!("  {word}  {who:<9}  {says:<76}  {}", paint("2", &note)).trim_end());
}

/// What led to the verdict.
fn evidence(told: &ClaimReport) {
    for event in &told.events {
        match event {
            Event::Command(command) => println!("          $ {command}"),
            Event::Held(Observation { what, found, .. }) => println!("          {what}: {found}"),
        }
    }
    match &told.verdict {
        Verdict::Fail(Observation { what, expected, found }) => {
            println!(
                "          {what}\n            expected: {expected}\n            found:    {}",
                paint("31", found)
            );
        }
        Verdict::Untried(why) => println!("          {why}"),
        _ => {}
    }
    if let Some((before, Verdict::Fail(Observation { what, found, .. }))) = &told.before {
        println!("          in {before}: {what}: {found}");
    }
    if failed(told) {
        println!("          look at {}", told.hint);
    }
}

/// How many held, and why some were not tried.
fn summary(all: &[ClaimReport]) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for told in all {
        if let Verdict::Skipped(reason) = &told.verdict {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    for (reason, count) in reasons {
        println!("  {}  {count} not tried: {reason}", paint("33", "--  "));
    }
    let counts = count(all, None);
    println!("  {} held, {} failed, {} not tried\n", counts[0], counts[1], counts[2]);
}

/// Held, failed and not tried; of one identity, or of all.
fn count(all: &[ClaimReport], identity: Option<&str>) -> [usize; 3] {
    let mut counts = [0; 3];
    for told in all.iter().filter(|told| identity.is_none_or(|identity| told.identity == identity))
    {
        let place = match &told.verdict {
            Verdict::Ok => 0,
            Verdict::Fail(_) | Verdict::Untried(_) => 1,
            Verdict::Skipped(_) => 2,
        };
        counts[place] += 1;
    }
    counts
}

fn table(all: &[ClaimReport]) {
    println!("{:<12}{:<26}as an ordinary user", "", "as root");
    println!("{:<12}{:<26}held failed not tried", "chapter", "held failed not tried");
    let mut chapters: Vec<&str> = all.iter().map(|told| told.chapter.as_str()).collect();
    chapters.dedup();
    for chapter in chapters {
        let its: Vec<ClaimReport> =
            all.iter().filter(|told| told.chapter == chapter).cloned().collect();
        let cells = ["root", "user"].map(|identity| cell(count(&its, Some(identity))));
        println!("{chapter:<12}{}     {}", cells[0], cells[1]);
    }
}

fn cell([held, failed, skipped]: [usize; 3]) -> String {
    let failed = format!("{failed:>6}");
    let failed = if failed.trim() == "0" { failed } else { paint("31", &failed) };
    format!("{held:>4} {failed} {skipped:>9}")
}

fn tap(all: &[ClaimReport]) {
    println!("TAP version 13\n1..{}", all.len());
    for (index, told) in all.iter().enumerate() {
        let (word, note) = match &told.verdict {
            Verdict::Ok => ("ok", String::new()),
            Verdict::Skipped(reason) => ("ok", format!(" # SKIP {reason}")),
            Verdict::Fail(observation) => {
                ("not ok", format!("\n# {observation}\n# look at {}", told.hint))
            }
            Verdict::Untried(why) => {
                ("not ok", format!("\n# {}\n# look at {}", why.replace('\n', "\n# "), told.hint))
            }
        };
        println!(
            "{word} {} - {} as {}: {}{note}",
            index + 1,
            told.chapter,
            told.identity,
            told.claim
        );
    }
}
