//! The ids that step 09 can give to a container.

use std::fs;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use common::Failure;
use nix::unistd::{User, geteuid};

use super::report::{Finding, Verdict};
use super::trial::Started;
use crate::packages::Manager;
use crate::programs;

/// As many as newer systems give each user, and where they begin.
const COUNT: u64 = 65_536;
const FIRST: u64 = 100_000;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    user: user::Options,
}

/// Chooses as step 09 does; an error where it is left with a single one.
pub fn choose() -> Result<ExitCode> {
    let mut args = Args::parse_from(["doctor"]);
    full::owners::subordinate::choose(&mut args.user)?;
    let count: u32 = args.user.uid_map.iter().map(|map| map.count).sum();
    if count <= 1 {
        return Err(Failure::new("the container has a single id, and only root in it").into());
    }
    Ok(ExitCode::SUCCESS)
}

/// How an ordinary user gets a range; root has one wherever root's ids are the machine's.
pub fn finding(trial: Started) -> Finding {
    let outcome = trial.finish();
    let cure = outcome.cure.clone().unwrap_or_else(cure);
    let finding =
        outcome.finding("ids", "some for every user that a program expects", Verdict::Limited);
    if finding.verdict == Verdict::Ok { finding } else { Finding { cure: Some(cure), ..finding } }
}

fn cure() -> String {
    if geteuid().is_root() {
        return "start from the machine's own root: here root has but the ids of /proc/self/uid_map".into();
    }
    if programs::on_path("newuidmap").is_none() {
        let package =
            Manager::here().and_then(|manager| super::programs::cure("newuidmap", manager));
        return package.unwrap_or_else(|| "install newuidmap, from the shadow sources".into());
    }
    let name = User::from_uid(geteuid())
        .ok()
        .flatten()
        .map_or_else(|| geteuid().to_string(), |user| user.name);
    let first = free(
        &["/etc/subuid", "/etc/subgid"]
            .map(|file| fs::read_to_string(file).unwrap_or_default())
            .concat(),
    );
    let range = format!("{first}-{}", first + COUNT - 1);
    format!("sudo usermod --add-subuids {range} --add-subgids {range} {name}")
}

/// The first range behind all that others have: subuid(5).
fn free(text: &str) -> u64 {
    let end = |line: &str| {
        let mut numbers = line.split(':').skip(1).map(str::parse::<u64>);
        Some(numbers.next()?.ok()? + numbers.next()?.ok()?)
    };
    text.lines().filter_map(end).max().unwrap_or_default().max(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_range_is_behind_all_others() {
        assert_eq!(free(""), FIRST);
        assert_eq!(free("a:100000:65536\nb:165536:65536\nx\n"), 231_072);
        assert_eq!(free("a:1000:7\n"), FIRST);
    }
}
