//! The ids that step 09 can give to a container.

use std::fs;

use nix::unistd::{User, geteuid};

use super::report::{Finding, Verdict};
use super::steps::{Outcome, Steps, Trial};
use crate::programs;

/// As many as newer systems give each user, and where they begin.
const COUNT: u64 = 65_536;
const FIRST: u64 = 100_000;

/// Asks step 09 for a container in which user 1 runs the command: that takes a second id.
pub fn start(steps: &Steps) -> Trial {
    steps.start(9, &["--user", "1:1"])
}

/// An ordinary user needs a range of ids; root has one wherever root's ids are the machine's.
pub fn finding(outcome: Outcome) -> Finding {
    if outcome.held {
        return Finding::ok("ids", "some for every user that a program expects");
    }
    let because = match outcome.what.starts_with("setresgid") {
        true => "the container has a single id, and only root in it".into(),
        false => outcome.what,
    };
    Finding::bad(Verdict::Limited, "ids", because, cure())
}

fn cure() -> String {
    if geteuid().is_root() {
        return "start from the machine's own root: root here has only the ids of /proc/self/uid_map".into();
    }
    if programs::on_path("newuidmap").is_none() {
        let package = super::programs::cure("newuidmap");
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
