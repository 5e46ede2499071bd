//! Runs the claims of chapters and prints whether they hold: `make check-NN` and `make check`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use harness::{
    Before, ClaimReport, Event, HOST, NOT_ROOT, Observation, REPORT, Verdict, paint,
    restore_sigpipe,
};

/// Runs the claims of chapters and prints, claim by claim, whether the kernel confirms them; exit
/// code 1 if one does not hold
#[derive(Parser)]
struct Args {
    /// text for people, json and tap (testanything.org) for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// For every claim, print what was run and what the kernel showed
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

fn failed(report: &ClaimReport) -> bool {
    matches!(report.verdict, Verdict::Fail(_) | Verdict::Untried(_) | Verdict::Hangs(_))
}

/// Runs the claims of one chapter, and prints them as they come.
fn chapter(args: &Args, claims: &Path) -> Result<Vec<ClaimReport>> {
    let mut child = Command::new(claims).env(REPORT, "json").stdout(Stdio::piped()).spawn();
    let child =
        child.as_mut().map_err(|error| anyhow::anyhow!("run {}: {error}", claims.display()))?;
    let mut all: Vec<ClaimReport> = Vec::new();
    let mut begun = 0;
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let report: ClaimReport =
            serde_json::from_str(&line?).with_context(|| claims.display().to_string())?;
        if args.format == Format::Text && all.last().is_some_and(|last| last.claim != report.claim)
        {
            print_claim(args, &all[begun..]);
            begun = all.len();
        }
        if args.format == Format::Text && all.is_empty() {
            println!("{}", paint("1", &report.chapter));
        }
        all.push(report);
    }
    if args.format == Format::Text {
        print_claim(args, &all[begun..]);
        summary(&all);
    }
    let status = child.wait().context("waitpid")?;
    anyhow::ensure!(status.success(), "{} ended with {status}", claims.display());
    Ok(all)
}

/// One claim: a line for those identities for whom it came to the same.
fn print_claim(args: &Args, claim: &[ClaimReport]) {
    let mut rest: Vec<&ClaimReport> =
        claim.iter().filter(|report| !matches!(report.verdict, Verdict::Skipped(_))).collect();
    while let Some(first) = rest.first().copied() {
        let (same, other): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|report| report.verdict == first.verdict);
        let who: Vec<&str> = same.iter().map(|report| report.identity.as_str()).collect();
        line(first, &who.join(" "));
        if failed(first) || args.verbose {
            evidence(first);
        }
        rest = other;
    }
}

fn line(report: &ClaimReport, identities: &str) {
    let (word, note) = match (&report.verdict, &report.before) {
        (Verdict::Ok, Some(before)) => (paint("32", "OK  "), refuted_by(&before.step)),
        (Verdict::Ok, None) => (paint("32", "OK  "), String::new()),
        _ => (paint("31", "FAIL"), String::new()),
    };
    let line = format!("  {word}  {identities:<9}  {:<76}  {}", report.claim, paint("2", &note));
    println!("{}", line.trim_end());
}

fn refuted_by(step: &str) -> String {
    match step.get(..2) {
        Some(number) if step != HOST => format!("not yet in {number}"),
        _ => "not so on the host".into(),
    }
}

/// What led to the verdict.
fn evidence(report: &ClaimReport) {
    for event in &report.events {
        match event {
            Event::Command(command) => println!("          $ {command}"),
            Event::Held(Observation { what, found, .. }) => println!("          {what}: {found}"),
        }
    }
    match &report.verdict {
        Verdict::Fail(Observation { what, expected, found }) => {
            println!(
                "          {what}\n            expected: {expected}\n            found:    {}",
                paint("31", found)
            );
        }
        Verdict::Untried(why) | Verdict::Hangs(why) => println!("          {why}"),
        _ => {}
    }
    if let Some(Before { step, verdict: Verdict::Fail(Observation { what, found, .. }) }) =
        &report.before
    {
        println!("          in {step}: {what}: {found}");
    }
    if failed(report) {
        println!("          look at {}", report.hint);
    }
}

/// How many held, and why some were not tried.
fn summary(all: &[ClaimReport]) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for report in all {
        if let Verdict::Skipped(reason) = &report.verdict {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    for (reason, count) in reasons {
        println!("  {}  {count} not tried: {reason}", paint("33", "--  "));
    }
    let counts = count(all, None);
    println!("  {} held, {} failed, {} not tried", counts[0], counts[1], counts[2]);
    match all.iter().find(|report| is_for_root(report)) {
        Some(report) => println!("  {}\n", as_root(&format!("check-{}", &report.chapter[..2]))),
        None => println!(),
    }
}

/// Whether only root could try this.
fn is_for_root(report: &ClaimReport) -> bool {
    report.verdict == Verdict::Skipped(NOT_ROOT.into())
}

fn as_root(target: &str) -> String {
    format!("`make {target} SUDO=sudo` tries what takes root as well.")
}

/// Held, failed and not tried; of one identity, or of all.
fn count(all: &[ClaimReport], identity: Option<&str>) -> [usize; 3] {
    let mut counts = [0; 3];
    for report in
        all.iter().filter(|report| identity.is_none_or(|identity| report.identity == identity))
    {
        let place = match &report.verdict {
            Verdict::Ok => 0,
            Verdict::Fail(_) | Verdict::Untried(_) | Verdict::Hangs(_) => 1,
            Verdict::Skipped(_) => 2,
        };
        counts[place] += 1;
    }
    counts
}

fn table(all: &[ClaimReport]) {
    println!("{:<12}{:<26}as an ordinary user", "", "as root");
    println!("{:<12}{:<26}held failed not tried", "chapter", "held failed not tried");
    let mut chapters: Vec<&str> = all.iter().map(|report| report.chapter.as_str()).collect();
    chapters.dedup();
    for chapter in chapters {
        let its: Vec<ClaimReport> =
            all.iter().filter(|report| report.chapter == chapter).cloned().collect();
        let cells = ["root", "user"].map(|identity| cell(count(&its, Some(identity))));
        println!("{chapter:<12}{}     {}", cells[0], cells[1]);
    }
    if all.iter().any(is_for_root) {
        println!("\n{}", as_root("check"));
    }
}

fn cell([held, failed, skipped]: [usize; 3]) -> String {
    let failed = format!("{failed:>6}");
    let failed = if failed.trim() == "0" { failed } else { paint("31", &failed) };
    format!("{held:>4} {failed} {skipped:>9}")
}

fn tap(all: &[ClaimReport]) {
    println!("TAP version 13\n1..{}", all.len());
    for (index, report) in all.iter().enumerate() {
        let (word, note) = match &report.verdict {
            Verdict::Ok => ("ok", String::new()),
            Verdict::Skipped(reason) => ("ok", format!(" # SKIP {reason}")),
            Verdict::Fail(observation) => {
                ("not ok", format!("\n# {observation}\n# look at {}", report.hint))
            }
            Verdict::Untried(why) | Verdict::Hangs(why) => {
                ("not ok", format!("\n# {}\n# look at {}", why.replace('\n', "\n# "), report.hint))
            }
        };
        println!(
            "{word} {} - {} as {}: {}{note}",
            index + 1,
            report.chapter,
            report.identity,
            report.claim
        );
    }
}
