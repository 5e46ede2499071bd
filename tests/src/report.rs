//! The claims of a chapter as data: what was run, what the kernel showed, and what the step before
//! does. The program `check` prints them for a reader.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::claim::{Claim, can_be, kind, skipped};
use crate::evidence::{Event, Observation, Refuted};
use crate::host::Identity;
use crate::interrupt;
use crate::launch::Step;
use crate::paths::STEPS;
use crate::standstill::Hangs;

/// In the environment of a chapter's claims, as `json`: they print one [`ClaimReport`] a line.
pub const REPORT: &str = "HARNESS_REPORT";

/// In the environment as `no`: that the step before fails a claim is taken for granted. For slow
/// machines that try the same binaries as one that has seen it.
const BEFORE: &str = "HARNESS_BEFORE";

/// In the environment as `user`: nothing of a step is run as root, because its code is a stranger's
/// and could forge what is reported here.
pub(crate) const ONLY: &str = "HARNESS_ONLY";

pub(crate) fn only_user() -> bool {
    std::env::var(ONLY).is_ok_and(|only| only == "user")
}

/// What one claim came to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClaimReport {
    /// The step, as `03-uts`.
    pub chapter: String,
    /// The claim in one sentence.
    pub claim: String,
    /// Who started the step: `root` or `user`.
    pub identity: String,
    /// What it came to on this step, and whether that proves anything.
    pub verdict: Verdict,
    /// What was run and what the kernel showed, in order.
    pub events: Vec<Event>,
    /// The step that must fail the claim.
    pub before: Option<Before>,
    /// Where to look when it fails.
    pub hint: String,
}

/// What the claim came to on the step that must fail it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Before {
    /// Its name; [`HOST`] where no container comes before.
    pub step: String,
    /// What the claim came to there.
    pub verdict: Verdict,
}

/// What stands before the first step.
pub const HOST: &str = "the host";

/// What a claim came to on one step.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The kernel showed what was expected.
    Ok,
    /// It showed something else.
    Fail(Observation),
    /// The experiment itself went wrong, which proves nothing.
    Untried(String),
    /// The step does not come to an end.
    Hangs(String),
    /// It cannot be tried here, for this reason.
    Skipped(String),
}

pub(crate) fn wanted() -> bool {
    std::env::var(REPORT).is_ok_and(|style| style == "json")
}

/// Prints the reports on all claims of step `number`, each as soon as it is decided. A signal ends
/// it in order: nothing is left.
pub(crate) fn print_all(number: usize, claims: &[Claim]) -> ExitCode {
    let each =
        claims.iter().flat_map(|claim| claim.identities().map(move |identity| (claim, identity)));
    let mut reports = each.map(|(claim, identity)| {
        let report = examine(claim, number, identity);
        interrupt::ensure_not()?;
        write(&report)
    });
    match interrupt::notice().and_then(|()| reports.try_for_each(|written| written)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if interrupt::ensure_not().is_ok() {
                eprintln!("Error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn write(report: &ClaimReport) -> Result<()> {
    let line = serde_json::to_string(report)? + "\n";
    io::stdout().write_all(line.as_bytes()).context("write to standard output")
}

fn examine(claim: &Claim, number: usize, identity: Identity) -> ClaimReport {
    let (verdict, events) = outcome(claim, number, identity);
    let granted = std::env::var(BEFORE).is_ok_and(|before| before == "no");
    let before = claim.before(number).filter(|_| verdict == Verdict::Ok && !granted);
    let before = before.map(|number| Before {
        step: step_name(number).to_owned(),
        verdict: outcome(claim, number, identity).0,
    });
    let verdict = if verdict == Verdict::Ok { proven(&before) } else { verdict };
    let (chapter, says, identity) =
        (step_name(number).to_owned(), claim.says.to_owned(), kind(identity).to_owned());
    ClaimReport {
        claim: says,
        identity,
        verdict,
        events,
        before,
        hint: claim.hint_for(&chapter),
        chapter,
    }
}

/// What holds is proven when the step before is refuted.
fn proven(before: &Option<Before>) -> Verdict {
    match before {
        Some(Before { step: name, verdict: Verdict::Ok }) => {
            Verdict::Untried(format!("proves nothing: it holds on {name} as well"))
        }
        Some(Before { step: name, verdict: Verdict::Untried(why) | Verdict::Hangs(why) }) => {
            Verdict::Untried(format!("proves nothing: it could not be tried on {name}: {why}"))
        }
        Some(Before { verdict: Verdict::Skipped(why), .. }) => Verdict::Skipped(why.clone()),
        _ => Verdict::Ok,
    }
}

fn step_name(number: usize) -> &'static str {
    number.checked_sub(1).map_or(HOST, |index| STEPS[index])
}

fn outcome(claim: &Claim, number: usize, identity: Identity) -> (Verdict, Vec<Event>) {
    match can_be(identity).and_then(|()| Step::new(number, identity)) {
        Ok(step) => (verdict((claim.check)(&step)), step.log.take()),
        Err(error) => (verdict(Err(error)), Vec::new()),
    }
}

fn verdict(result: Result<()>) -> Verdict {
    let Err(error) = result else { return Verdict::Ok };
    match (skipped(&error), error.downcast_ref()) {
        (Some(reason), _) => Verdict::Skipped(reason),
        (None, Some(Refuted(observation))) => Verdict::Fail(observation.clone()),
        (None, None) if error.is::<Hangs>() => Verdict::Hangs(format!("{error:#}")),
        (None, None) => Verdict::Untried(format!("{error:#}")),
    }
}
