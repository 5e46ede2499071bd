//! Attacks the steps from inside and prints which step withstands what: `make escape-NN` and `make escape`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use harness::attacks::{Attack, all};
use harness::{
    AttackResult, AttackResults, ExpectedOutcomes, Identity, Outcome, PEERS, STEPS, attack_peer,
    attack_step, paint, restore_sigpipe,
};
use nix::unistd::geteuid;

/// Tries from inside a step all that ought to be impossible there; without a step: from all of them
/// and all peers
#[derive(Parser)]
struct Args {
    /// 1 to 9
    #[arg(value_parser = clap::value_parser!(u8).range(1..=9))]
    step: Option<u8>,

    /// Tell of each attack what stops it
    #[arg(long)]
    verbose: bool,

    /// Write the table as a page of the book, too
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    restore_sigpipe();
    let args = Args::parse();
    let result = match args.step {
        Some(number) => one(number.into(), args.verbose),
        None => matrix(args.page),
    };
    result.map_or_else(
        |error| {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn who() -> Vec<Identity> {
    if geteuid().is_root() { vec![Identity::Root, Identity::User] } else { vec![Identity::User] }
}

fn words(identity: Identity) -> &'static str {
    match identity {
        Identity::Root => "root",
        Identity::User => "an ordinary user",
    }
}

/// One step, as whoever asks would start it.
fn one(number: usize, verbose: bool) -> Result<()> {
    let identity = who()[0];
    let (answers, expectation) = (attack_step(number, identity)?, ExpectedOutcomes::read()?);
    let count = |outcome| answers.values().filter(|answer| answer.outcome == outcome).count();
    let (succeed, tried) = (count(Outcome::Succeeded), answers.len() - count(Outcome::Untried));
    println!(
        "From inside {}, started by {}: {succeed} of {tried} attacks succeed.",
        STEPS[number - 1],
        words(identity)
    );
    let mut groups: BTreeMap<(u8, usize), Vec<Attack>> = BTreeMap::new();
    for attack in all() {
        let chapter = expectation.stopped_for_good(attack.name, identity).unwrap_or(usize::MAX);
        groups.entry((answers[attack.name].outcome as u8, chapter)).or_default().push(attack);
    }
    for ((_, chapter), attacks) in groups {
        println!("\n{}", paint("1", &title(answers[attacks[0].name].outcome, chapter, number)));
        attacks.iter().for_each(|attack| line(attack, &answers[attack.name], verbose));
    }
    Ok(())
}

/// What the attacks of a group have in common.
fn title(outcome: Outcome, chapter: usize, number: usize) -> String {
    let name = chapter.checked_sub(1).and_then(|index| STEPS.get(index));
    match (outcome, name) {
        (Outcome::Succeeded, Some(name)) => format!("These succeed. {name} stops them:"),
        (Outcome::Succeeded, None) => "These succeed:".into(),
        (Outcome::Stopped, Some(name)) if chapter <= number => format!("Stopped since {name}:"),
        (Outcome::Stopped, Some(name)) => {
            format!("Stopped by the way; they come back, until {name} stops them for good:")
        }
        (Outcome::Stopped, None) => "Stopped even without a container:".into(),
        (Outcome::Untried, _) => "These cannot be tried here:".into(),
    }
}

fn line(attack: &Attack, answer: &AttackResult, verbose: bool) {
    let colour = match answer.outcome {
        Outcome::Succeeded => "31",
        Outcome::Stopped => "32",
        Outcome::Untried => "33",
    };
    let cve = if attack.cve.is_empty() { String::new() } else { format!(" ({})", attack.cve) };
    let name = paint(colour, &format!("{:<22}", attack.name));
    println!("  {name}{}{cve} → {}", attack.what, paint("1", &answer.evidence));
    if verbose {
        println!("{:24}{}", "", paint("2", &format!("What stops it: {}.", attack.remedy)));
    }
}

/// A table for one identity: who was attacked, and how it ended.
struct Table {
    identity: Identity,
    columns: Vec<(String, AttackResults)>,
    /// How it ends without a container, for root if that could be tried.
    free: AttackResults,
    absent: Vec<String>,
}

/// Everybody: the host without a container, the steps, the peers.
fn matrix(page: Option<PathBuf>) -> Result<()> {
    let mut text = String::new();
    let free = attack_step(0, who()[0])?;
    for identity in who() {
        let table = Table::fill(identity, &free)?;
        table.print();
        text += &table.markdown()?;
    }
    legend();
    let Some(page) = page else { return Ok(()) };
    ensure!(geteuid().is_root(), "the page has what root sees as well: sudo, or without --page");
    fs::write(&page, introduction() + &text + &attacks()?)
        .with_context(|| format!("write {}", page.display()))
}

impl Table {
    fn fill(identity: Identity, free: &AttackResults) -> Result<Self> {
        let mut table =
            Table { identity, columns: Vec::new(), free: free.clone(), absent: Vec::new() };
        for number in 0..=STEPS.len() {
            let name = number.checked_sub(1).map_or("host", |index| &STEPS[index][..2]);
            table.columns.push((name.to_owned(), attack_step(number, identity)?));
        }
        for peer in &PEERS {
            if !peer.is_there() {
                table.absent.push(format!("{}: not installed", peer.name));
                continue;
            }
            match attack_peer(peer, identity)? {
                Ok(answers) => table.columns.push((peer.name.to_owned(), answers)),
                Err(why) => table.absent.push(format!(
                    "{}: {}",
                    peer.name,
                    why.lines().last().unwrap_or_default()
                )),
            }
        }
        Ok(table)
    }

    /// Where it fails without a container, being stopped proves nothing.
    fn outcome(&self, attack: &Attack, column: &AttackResults) -> Outcome {
        let outcome = column[attack.name].outcome;
        let provable = attack.is_provable(&self.free);
        if outcome == Outcome::Stopped && !provable { Outcome::Untried } else { outcome }
    }

    fn print(&self) {
        println!("Started by {}:\n", words(self.identity));
        let heads: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| format!("{name:>width$}", width = width(name)))
            .collect();
        println!("{:<24}{}", "", heads.join(" "));
        for attack in all() {
            let cells: Vec<String> = self
                .columns
                .iter()
                .map(|(name, answers)| cell(self.outcome(&attack, answers), width(name)))
                .collect();
            println!("{:<24}{}", attack.name, cells.join(" "));
        }
        let counts: Vec<String> = self
            .columns
            .iter()
            .map(|(name, answers)| {
                let count = all()
                    .iter()
                    .filter(|attack| answers[attack.name].outcome == Outcome::Succeeded)
                    .count();
                format!("{count:>width$}", width = width(name))
            })
            .collect();
        println!("{:<24}{}\n", "succeed", counts.join(" "));
        self.absent.iter().for_each(|why| println!("{why}"));
    }

    fn markdown(&self) -> Result<String> {
        let mut text = format!("## Started by {}\n\n| attack |", words(self.identity));
        for (name, _) in &self.columns {
            write!(text, " {name} |")?;
        }
        text += &format!("\n|---|{}\n", ":-:|".repeat(self.columns.len()));
        for attack in all() {
            write!(text, "| [{0}](#{0}) |", attack.name)?;
            for (_, answers) in &self.columns {
                write!(text, " {} |", symbol(self.outcome(&attack, answers)))?;
            }
            text.push('\n');
        }
        for why in &self.absent {
            write!(text, "\nNot tried: {why}\n")?;
        }
        Ok(text + "\n")
    }
}

fn width(name: &str) -> usize {
    name.len().max(2)
}

fn symbol(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "**✗**",
        Outcome::Stopped => "·",
        Outcome::Untried => "?",
    }
}

fn cell(outcome: Outcome, width: usize) -> String {
    let (colour, sign) = match outcome {
        Outcome::Succeeded => ("31", "X"),
        Outcome::Stopped => ("32", "."),
        Outcome::Untried => ("33", "?"),
    };
    paint(colour, &format!("{sign:>width$}"))
}

fn legend() {
    println!(
        "X succeeds   . is stopped   ? cannot be tried here, or is stopped even without a container"
    );
    println!("make escape-NN VERBOSE=1 shows for each what was gained and what stops it.");
}

fn introduction() -> String {
    "# What gets out\n\n<!-- Written by `make escape`. -->\n\nEvery attack was tried from inside every step, and from \
     inside other runtimes with their defaults (of runc and crun: what their own `spec` writes; engines above them add \
     more). **✗** succeeds, · is stopped, ? cannot be tried on the machine that this \
     was written on, or is stopped there even without a container. `host` is without any container; for an ordinary user \
     it is a user namespace, as steps 01 to 04 ask for root. Root starts steps 05 to 08 with `--uid-map \
     0:100000:65536 --gid-map 0:100000:65536`, and 08 and 09 have limits: `--cpus 0.25 --memory 64M --pids 64`.\n\n\
     `make escape-NN` runs one column and prints what was gained, or what the kernel answered; the attacks themselves are in \
     `tests/src/attacks`, a few lines each.\n\n"
        .to_owned()
}

fn attacks() -> Result<String> {
    let mut text = "## The attacks\n".to_owned();
    for attack in all() {
        let cve = if attack.cve.is_empty() { String::new() } else { format!(" ({})", attack.cve) };
        write!(
            text,
            "\n### {}\n\nIt {}{cve}. What stops it: {}.\n",
            attack.name, attack.what, attack.remedy
        )?;
    }
    Ok(text)
}
