//! tests/attacks.expected: how every attack ends, on the host and inside every step.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::{AttackResults, Outcome, all};
use crate::host::Identity;
use crate::paths::STEPS;

impl Outcome {
    /// In the recorded expectation.
    fn letter(self) -> char {
        match self {
            Outcome::Succeeded => 'X',
            Outcome::Stopped => '.',
            Outcome::Untried => '?',
        }
    }

    fn of(letter: char) -> Outcome {
        match letter {
            'X' => Outcome::Succeeded,
            '.' => Outcome::Stopped,
            _ => Outcome::Untried,
        }
    }
}

/// What is recorded of an attack by an identity: on the host without a container, and in each of
/// the steps.
#[derive(Clone, Debug, Default)]
pub struct ExpectedOutcomes(BTreeMap<(String, &'static str), Vec<Outcome>>);

impl ExpectedOutcomes {
    /// tests/attacks.expected
    pub fn path() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/attacks.expected"))
    }

    /// Reads it; what is not there yet is not expected.
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string(ExpectedOutcomes::path()).unwrap_or_default();
        let mut expectation = ExpectedOutcomes::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [name, root, user] = fields[..] else { continue };
            for (identity, marks) in [(Identity::Root, root), (Identity::User, user)] {
                expectation.set(name, identity, marks.chars().map(Outcome::of).collect());
            }
        }
        Ok(expectation)
    }

    fn set(&mut self, attack: &str, identity: Identity, marks: Vec<Outcome>) {
        self.0.insert((attack.to_owned(), crate::claim::kind(identity)), marks);
    }

    /// Records what was found of all attacks, column by column. Where one fails even for root
    /// without a container, being stopped proves nothing.
    pub fn record(&mut self, identity: Identity, columns: &[AttackResults], free: &AttackResults) {
        for attack in all() {
            let provable = free[attack.name].outcome == Outcome::Succeeded;
            let mark = |mark: Outcome| {
                if provable || mark == Outcome::Succeeded { mark } else { Outcome::Untried }
            };
            self.set(
                attack.name,
                identity,
                columns.iter().map(|answers| mark(answers[attack.name].outcome)).collect(),
            );
        }
    }

    /// What is expected in a step.
    pub fn get(&self, attack: &str, identity: Identity, number: usize) -> Option<Outcome> {
        self.0.get(&(attack.to_owned(), crate::claim::kind(identity)))?.get(number).copied()
    }

    /// The first step from which on no step lets it succeed, if one before did.
    pub fn stopped_for_good(&self, attack: &str, identity: Identity) -> Option<usize> {
        let succeeds =
            |number: &usize| self.get(attack, identity, *number) == Some(Outcome::Succeeded);
        let last = (0..=STEPS.len()).rev().find(succeeds)?;
        (last < STEPS.len()).then_some(last + 1)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text =
            "# Attack, and how it ends: X succeeds, . is stopped, ? cannot be tried. For root and for an ordinary \
                        user;\n# of each the host without a container, then steps 01 to 09. Written by\n\
                        # SNAPSHOTS=overwrite cargo test -p harness --test attacks\n"
                .to_owned();
        for attack in all() {
            let marks = [Identity::Root, Identity::User].map(|identity| {
                let of =
                    |number| self.get(attack.name, identity, number).map_or('?', Outcome::letter);
                (0..=STEPS.len()).map(of).collect::<String>()
            });
            text += &format!("{:<24}{}  {}\n", attack.name, marks[0], marks[1]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_that_comes_back_is_not_stopped_for_good() {
        let mut expectation = ExpectedOutcomes::default();
        expectation.set("a", Identity::Root, "XX..XX....".chars().map(Outcome::of).collect());
        expectation.set("b", Identity::Root, "XXXXXXXXXX".chars().map(Outcome::of).collect());
        assert_eq!(expectation.stopped_for_good("a", Identity::Root), Some(6));
        assert_eq!(expectation.stopped_for_good("b", Identity::Root), None);
    }
}
