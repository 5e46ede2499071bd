//! The judge: the chapter's claims, run by the harness. This is the one place that knows how the
//! harness is called and what it prints.

use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::declaration::{Exercise, steps};
use crate::processes;

/// Not even a claim that measures takes longer.
const SILENCE: Duration = Duration::from_secs(60);

/// What one claim came to for one identity.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The claim in one sentence.
    pub claim: String,
    /// `root` or `user`: who started the step.
    pub identity: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What was run, as one would type it.
    pub commands: Vec<String>,
    /// Where to look.
    pub look: String,
}

/// What a claim came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The kernel showed what was expected.
    Held,
    /// The kernel showed something else.
    Refuted {
        /// What was asked.
        what: String,
        /// The answer that was expected.
        expected: String,
        /// The answer.
        found: String,
    },
    /// The experiment itself went wrong.
    Untried(String),
    /// The step does not come to an end: why the harness thinks so.
    Hangs(String),
    /// It cannot be tried on this machine, or by this user.
    Skipped(String),
}

impl Judged {
    /// Whether it speaks against the step.
    pub fn fails(&self) -> bool {
        matches!(self.verdict, Verdict::Refuted { .. } | Verdict::Untried(_) | Verdict::Hangs(_))
    }

    /// Everything that the step printed and the harness passed on.
    pub fn reason(&self) -> &str {
        match &self.verdict {
            Verdict::Untried(reason) | Verdict::Hangs(reason) => reason,
            Verdict::Refuted { found, .. } => found,
            _ => "",
        }
    }
}

impl Exercise {
    /// Whether this claim is one of those that judge the exercise; all are if it names none.
    pub fn is_judged_by(&self, judged: &Judged) -> bool {
        self.text.claims.is_empty() || self.text.claims.contains(&judged.claim)
    }

    /// Whether one of them held: an ordinary user cannot try what only root can show.
    pub fn is_shown_by(&self, results: &[Judged]) -> bool {
        let held = |it: &&Judged| it.verdict == Verdict::Held;
        results.iter().filter(held).any(|it| self.is_judged_by(it))
    }
}

/// How the claims ended.
pub enum End {
    /// All were tried.
    All,
    /// The caller had seen enough.
    Enough,
    /// The step did not come to an end.
    Hangs,
}

/// Which set of claims.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// What the chapter claims.
    Chapter,
    /// What its extensions claim.
    Extensions,
}

impl Set {
    fn target(self) -> &'static str {
        match self {
            Set::Chapter => "claims",
            Set::Extensions => "extend",
        }
    }
}

/// Builds the step, the one before, and the claims, and nothing else. Returns the program that runs
/// the claims; none when something does not compile, which the compiler has reported unless `quiet`.
pub fn build(top: &Path, step: &str, set: Set, quiet: bool) -> Result<Option<PathBuf>> {
    let steps = steps(top)?;
    let before = steps.iter().take_while(|it| *it != step).last();
    let package = |step: &str| ["--package".to_owned(), format!("step-{step}")];
    let mut programs = words("build --bins --package harness --package rootfs");
    programs.extend(before.into_iter().map(String::as_str).chain([step]).flat_map(package));
    let heard = if quiet { Heard::Nothing } else { Heard::Step(step) };
    if cargo(top, &programs, heard)?.is_none() {
        return Ok(None);
    }
    let mut claims = words("test --no-run --test");
    claims.push(set.target().to_owned());
    claims.extend(package(step));
    let heard = if quiet { Heard::Nothing } else { Heard::Errors }; // its warnings were shown
    let Some(messages) = cargo(top, &claims, heard)? else { return Ok(None) };
    let mut built = messages.iter().filter(|it| it["target"]["name"] == set.target());
    let path = built.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.map(Some).with_context(|| format!("cargo named no program for the claims of {step}"))
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Whose messages of the compiler are shown.
#[derive(Clone, Copy)]
enum Heard<'a> {
    /// Nobody's.
    Nothing,
    /// Errors.
    Errors,
    /// Errors, and warnings of this step: those of other chapters are not the matter now.
    Step(&'a str),
}

impl Heard<'_> {
    fn hears(self, message: &Value) -> bool {
        let manifest = message["manifest_path"].as_str().unwrap_or_default();
        let error = message["message"]["level"] == "error";
        match self {
            Heard::Nothing => false,
            Heard::Errors => error,
            Heard::Step(step) => error || manifest.ends_with(&format!("/{step}/Cargo.toml")),
        }
    }
}

/// Runs cargo. Returns its messages; none when something does not compile.
fn cargo(top: &Path, words: &[String], heard: Heard) -> Result<Option<Vec<Value>>> {
    let color =
        if std::io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut cargo = Command::new("cargo");
    cargo.current_dir(top).stdin(Stdio::null()).args(words);
    let output =
        cargo.args(["--quiet", "--message-format", color]).output().context("run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let messages: Vec<Value> = messages.collect();
    for message in messages.iter().filter(|message| heard.hears(message)) {
        eprint!("{}", message["message"]["rendered"].as_str().unwrap_or_default());
    }
    if !matches!(heard, Heard::Nothing) {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.status.success().then_some(messages))
}

/// Runs a set of claims, each given to `each` as it is decided, until that returns false.
///
/// Nothing that the learner's code started is left, however it ends.
pub fn run(
    top: &Path,
    claims: &Path,
    sudo: Option<&str>,
    mut each: impl FnMut(Judged) -> bool,
) -> Result<End> {
    let _tidy = processes::Tidy::new(sudo)?;
    let mut command = match sudo {
        Some(sudo) => Command::new(sudo),
        None => Command::new("env"),
    };
    if sudo.is_some() {
        command.arg("env");
    }
    // That the step before fails a claim is the course's business, and not what the learner wrote.
    command.args(["HARNESS_REPORT=json", "HARNESS_BEFORE=no"]).arg(claims).current_dir(top);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let lines = lines_of(&mut child)?;
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                let judged =
                    parse(&line).with_context(|| format!("{}: {line}", claims.display()))?;
                let hangs = matches!(judged.verdict, Verdict::Hangs(_));
                if !each(judged) {
                    return Ok(End::Enough);
                }
                if hangs {
                    return Ok(End::Hangs);
                }
            }
            Err(RecvTimeoutError::Timeout) => return Ok(End::Hangs),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().context("waitpid")?;
    if processes::interrupted() {
        bail!("stopped by Ctrl-C; nothing is left running");
    }
    match status.success() {
        true => Ok(End::All),
        false => bail!("the claims ended with {status}"),
    }
}

fn lines_of(child: &mut Child) -> Result<Receiver<String>> {
    let (sender, lines) = channel();
    let output = child.stdout.take().context("no output")?;
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    Ok(lines)
}

/// One line of the harness.
pub fn parse(line: &str) -> Result<Judged> {
    let value: Value = serde_json::from_str(line).context("not a line of the harness")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let commands = value["events"].as_array().into_iter().flatten();
    let commands = commands.filter_map(|event| event["command"].as_str().map(str::to_owned));
    Ok(Judged {
        claim: text(&value["claim"]),
        identity: text(&value["identity"]),
        verdict: verdict(&value["verdict"])?,
        commands: commands.collect(),
        look: text(&value["hint"]),
    })
}

fn verdict(value: &Value) -> Result<Verdict> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if value == "ok" {
        return Ok(Verdict::Held);
    }
    let (name, inner) = value
        .as_object()
        .and_then(|object| object.iter().next())
        .with_context(|| format!("no verdict: {value}"))?;
    Ok(match name.as_str() {
        "fail" => Verdict::Refuted {
            what: text(&inner["what"]),
            expected: text(&inner["expected"]),
            found: text(&inner["found"]),
        },
        "hangs" => Verdict::Hangs(text(inner)),
        "untried" => Verdict::Untried(text(inner)),
        "skipped" => Verdict::Skipped(text(inner)),
        other => bail!("a verdict that is not known: {other}"),
    })
}
