//! How every attack ends from inside every step: as tests/escape.expected has it, which was read
//! over by hand.
//!
//! `SNAPSHOTS=overwrite cargo test -p harness --test escape` records what is found today.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, ensure};
use harness::attacks::all;
use harness::{Answers, Expectation, Identity, Mark, STEPS, from_step, suite, test};
use nix::unistd::geteuid;

fn main() -> ExitCode {
    let identities = [Identity::Root, Identity::User];
    if std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite") {
        return match identities.iter().try_for_each(|identity| record(*identity)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("Error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let each = identities
        .into_iter()
        .flat_map(|identity| (1..=STEPS.len()).map(move |number| (number, identity)));
    let tests = each.map(|(number, identity)| {
        let says = format!("from inside {} every attack ends as recorded", STEPS[number - 1]);
        test(says, identity, move || compare(number, identity))
    });
    suite(tests.collect(), false)
}

fn record(identity: Identity) -> Result<()> {
    if identity == Identity::Root && !geteuid().is_root() {
        return Ok(()); // that half of the file stays
    }
    let columns =
        (0..=STEPS.len()).map(|number| from_step(number, identity)).collect::<Result<Vec<_>>>()?;
    let mut expectation = Expectation::read()?;
    expectation.record(identity, &columns, &free()?);
    fs::write(Expectation::path(), expectation.text()).context("write tests/escape.expected")
}

fn compare(number: usize, identity: Identity) -> Result<()> {
    let (expectation, found) = (Expectation::read()?, from_step(number, identity)?);
    let host = on_host(identity)?;
    let mut changed = Vec::new();
    for attack in all() {
        let (answer, free) = (&found[attack.name], host[attack.name].mark);
        let expected = expectation.get(attack.name, identity, number);
        if expected.is_none_or(|expected| differs(expected, answer.mark, free, number)) {
            changed.push(format!(
                "{}: expected {expected:?}, found {:?}: {}",
                attack.name, answer.mark, answer.evidence
            ));
        }
    }
    ensure!(changed.is_empty(), "{}", changed.join("\n"));
    Ok(())
}

/// `free` is how it ends here without a container: what this machine stops anyway may be stopped
/// inside, too.
fn differs(expected: Mark, found: Mark, free: Mark, number: usize) -> bool {
    match (expected, found) {
        (_, Mark::Succeeded) if number == STEPS.len() => true, // the complete container withstands all
        (Mark::Succeeded, Mark::Stopped) => free == Mark::Succeeded,
        (Mark::Succeeded | Mark::Stopped, Mark::Untried) => free != Mark::Untried,
        (Mark::Untried, Mark::Stopped) => false,
        (Mark::Untried, Mark::Succeeded) => false,
        (expected, found) => expected != found,
    }
}

/// How they end without a container, for root if that can be tried.
fn free() -> Result<Answers> {
    on_host(if geteuid().is_root() { Identity::Root } else { Identity::User })
}

fn on_host(identity: Identity) -> Result<Answers> {
    static KNOWN: OnceLock<Mutex<BTreeMap<bool, Answers>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    match known.entry(identity == Identity::Root) {
        Entry::Occupied(entry) => Ok(entry.get().clone()),
        Entry::Vacant(entry) => Ok(entry.insert(from_step(0, identity)?).clone()),
    }
}
