//! What this machine allows, chapter by chapter. The steps themselves are asked, so that the doctor
//! and a step cannot disagree. Nothing on the machine is changed.

mod cgroups;
mod complete;
mod confinement;
mod ids;
mod kernel;
pub mod network;
mod programs;
mod report;
mod steps;
mod toolchain;

pub use report::{Finding, Part, Report, Verdict};

use anyhow::Result;
use common::{CHAPTERS, Chapter};
use nix::unistd::geteuid;

use steps::{Outcome, Steps, Trial};

/// From this chapter on an ordinary user can do without root.
const FIRST_WITHOUT_ROOT: usize = 5;

/// From this chapter on a container is connected to a network.
const FIRST_WITH_NETWORK: usize = 7;

/// Examines this machine. Containers with a network are made only if `connect`.
pub fn examine(connect: bool) -> Result<Report> {
    let toolchain = toolchain::ask();
    let steps = Steps::new()?;
    let chapters = chapters(&steps, connect);
    let machine = [kernel::findings(), confinement::findings()].concat();
    let programs = [toolchain.findings(), programs::findings()].concat();
    let root = (!geteuid().is_root()).then(|| Part::new("01 to 04", vec![confinement::sudo()]));
    let mut parts = vec![Part::new("this machine", machine)];
    parts.extend(root);
    parts.extend(chapters);
    parts.push(Part::new("programs", programs));
    Ok(Report::new(parts))
}

/// The chapters that this user can follow without sudo. All containers are made at the same time.
fn chapters(steps: &Steps, connect: bool) -> Vec<Part> {
    let first = if geteuid().is_root() { 1 } else { FIRST_WITHOUT_ROOT };
    let tried = |chapter: usize| connect || chapter < FIRST_WITH_NETWORK;
    let start = |chapter| tried(chapter).then(|| steps.start(chapter, &[]));
    let trials: Vec<Option<Trial>> = (first..=CHAPTERS.len()).map(start).collect();
    let complete = connect.then(|| complete::start(steps));
    let chapters = CHAPTERS[first - 1..].iter().zip(trials);
    let mut parts: Vec<Part> = chapters.map(|(chapter, trial)| part(chapter, trial)).collect();
    let mut add = |chapter: usize, more: Vec<Finding>| parts[chapter - first].findings.extend(more);
    add(8, if connect { cgroups::findings(steps) } else { Vec::new() });
    add(9, complete.map_or_else(Vec::new, complete::findings));
    add(9, vec![kernel::clocks()]);
    parts
}

fn part(chapter: &Chapter, trial: Option<Trial>) -> Part {
    let outcome = trial.map_or_else(not_tried, Trial::finish);
    let finding = outcome.finding("a container", chapter.adds, Verdict::Missing);
    Part::new(&chapter.step.replacen('-', " ", 1), vec![finding])
}

/// Root that may not make a network namespace for the trial.
fn not_tried() -> Outcome {
    let what = "not tried: it would be connected to this machine's network, and no network \
                namespace can be made in its place: Operation not permitted";
    Outcome { what: what.into(), ..Outcome::default() }
}
