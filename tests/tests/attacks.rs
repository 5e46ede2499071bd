//! How every attack ends from inside every step, compared with tests/attacks.expected, which was read
//! over by hand.
//!
//! `SNAPSHOTS=overwrite cargo test -p harness --test attacks` records what is found today.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, ensure};
use harness::attacks::{Attack, BUSY_MACHINE, all};
use harness::{
    AttackResults, ExpectedOutcomes, Identity, Outcome, STEPS, attack_step, suite, test,
};
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
    let columns = (0..=STEPS.len())
        .map(|number| attack_step(number, identity))
        .collect::<Result<Vec<_>>>()?;
    let mut expectation = ExpectedOutcomes::read()?;
    expectation.record(identity, &columns, &free()?);
    fs::write(ExpectedOutcomes::path(), expectation.text()).context("write tests/attacks.expected")
}

/// A busy machine may stop an attack for a moment, so what differs is tried again. What succeeds in
/// the complete container is not forgiven.
fn compare(number: usize, identity: Identity) -> Result<()> {
    let mut left: Option<BTreeMap<&str, Difference>> = None;
    for _ in 0..TRIES {
        let mut found = differences(number, identity)?;
        let escaped = |it: &Difference| it.outcome == Outcome::Succeeded && number == STEPS.len();
        if !found.values().any(escaped)
            && let Some(before) = &left
        {
            found.retain(|name, _| before.contains_key(name));
        }
        let finished = found.is_empty() || found.values().any(escaped);
        left = Some(found);
        if finished {
            break;
        }
    }
    let lines: Vec<String> = left.into_iter().flatten().map(|(_, it)| it.line).collect();
    ensure!(lines.is_empty(), "{}", lines.join("\n"));
    Ok(())
}

/// How often what differs is tried.
const TRIES: usize = 3;

/// An attack that did not end as recorded.
struct Difference {
    outcome: Outcome,
    line: String,
}

fn differences(number: usize, identity: Identity) -> Result<BTreeMap<&'static str, Difference>> {
    let (expected, found) = (ExpectedOutcomes::read()?, attack_step(number, identity)?);
    let host = on_host(identity)?;
    let mut differences = BTreeMap::new();
    for Attack { name, .. } in all() {
        let (result, free) = (&found[name], host[name].outcome);
        let recorded = expected.get(name, identity, number);
        if result.evidence == BUSY_MACHINE {
            continue;
        }
        if recorded.is_none_or(|recorded| differs(recorded, result.outcome, free, number)) {
            let evidence = &result.evidence;
            let line =
                format!("{name}: expected {recorded:?}, found {:?}: {evidence}", result.outcome);
            differences.insert(name, Difference { outcome: result.outcome, line });
        }
    }
    Ok(differences)
}

/// `free` is how it ends here without a container: what this machine stops anyway may be stopped
/// inside, too.
fn differs(expected: Outcome, found: Outcome, free: Outcome, number: usize) -> bool {
    match (expected, found) {
        (_, Outcome::Succeeded) if number == STEPS.len() => true, // the complete container withstands all
        (Outcome::Succeeded, Outcome::Stopped) => free == Outcome::Succeeded,
        (Outcome::Succeeded | Outcome::Stopped, Outcome::Untried) => free != Outcome::Untried,
        (Outcome::Untried, Outcome::Stopped) => false,
        (Outcome::Untried, Outcome::Succeeded) => false,
        (expected, found) => expected != found,
    }
}

/// How they end without a container, for root if that can be tried.
fn free() -> Result<AttackResults> {
    on_host(if geteuid().is_root() { Identity::Root } else { Identity::User })
}

fn on_host(identity: Identity) -> Result<AttackResults> {
    static KNOWN: OnceLock<Mutex<BTreeMap<bool, AttackResults>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    match known.entry(identity == Identity::Root) {
        Entry::Occupied(entry) => Ok(entry.get().clone()),
        Entry::Vacant(entry) => Ok(entry.insert(attack_step(0, identity)?).clone()),
    }
}
