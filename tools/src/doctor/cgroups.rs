//! Control groups: which interface has which controller, and whether this user may make a group
//! there.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use cgroup::hierarchy::{self, Version};
use nix::unistd::{AccessFlags, access, geteuid};

use super::report::{Finding, Verdict};
use super::trial::{Outcome, Started};

/// Those that chapter 08 limits something with.
pub const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// Tells where a group would be made that has this controller.
pub fn find(controller: &'static str) -> Result<ExitCode> {
    for hierarchy in hierarchy::find(&[controller])? {
        let version = match hierarchy.version {
            Version::V1 => "v1",
            Version::V2 => "v2",
        };
        println!("{version}");
        let place = hierarchy.place()?;
        access(place, AccessFlags::W_OK).with_context(|| format!("cgroup {}", place.display()))?;
        println!("{}", place.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for all controllers that stand alike.
pub fn findings(trials: [(&'static str, Started); 3]) -> Vec<Finding> {
    let outcomes = trials.map(|(controller, trial)| (controller, trial.finish()));
    let mut lines = vec![layout(&outcomes)];
    let mut limits: Vec<Finding> = Vec::new();
    for (controller, outcome) in outcomes {
        let finding = limit(controller, outcome);
        match limits
            .iter_mut()
            .find(|other| other.verdict == finding.verdict && other.cure == finding.cure)
        {
            Some(other) => {
                other.subject = format!("{}, {}", other.subject, finding.subject);
                if other.because != finding.because {
                    other.because = format!("{}, {}", other.because, finding.because);
                }
            }
            None => limits.push(finding),
        }
    }
    lines.extend(limits);
    lines
}

/// Each controller is bound to one of the two interfaces.
fn layout(outcomes: &[(&'static str, Outcome)]) -> Finding {
    let on = |version: &str| {
        let has = outcomes.iter().filter(|(_, outcome)| outcome.answer.starts_with(version));
        let names: Vec<_> = has.map(|(controller, _)| *controller).collect();
        (!names.is_empty()).then(|| format!("{} on cgroup {version}", names.join(", ")))
    };
    let parts: Vec<_> = [on("v1"), on("v2")].into_iter().flatten().collect();
    if parts.is_empty() {
        return outcomes[0].1.clone().finding("layout", "", Verdict::Missing);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let hybrid = parts.concat().contains("v1") && mounts.contains(" - cgroup2 ");
    Finding::ok(
        "layout",
        parts.join("; ") + if hybrid { " (hybrid: v2 is there, too)" } else { "" },
    )
}

fn limit(controller: &str, outcome: Outcome) -> Finding {
    if outcome.held {
        let place = outcome.answer.lines().nth(1).unwrap_or_default().to_owned();
        return Finding::ok(controller, format!("below {}", place.trim_end_matches('/')));
    }
    let there = outcome.answer.starts_with('v');
    if !there || geteuid().is_root() {
        return Finding { subject: controller.into(), ..outcome.finding("", "", Verdict::Missing) };
    }
    let because =
        "step 08 runs without limits; for one it wants a part of the cgroup tree that is yours";
    Finding::bad(
        Verdict::Limited,
        controller,
        because,
        cure(controller, outcome.answer.starts_with("v2")),
    )
}

/// systemd delegates parts of v2; everywhere else limits are root's business.
fn cure(controller: &str, v2: bool) -> String {
    let root = "sudo target/debug/08-cgroup --cpus 0.8 target/rootfs/host cpu-hog 2";
    if !v2 || !Path::new("/run/systemd/system").is_dir() {
        return root.into();
    }
    let run = "systemd-run --user --scope -p Delegate=yes make step-08 ARGS='--pids 20'";
    if delegated(controller) {
        return format!("{run}\n{root}");
    }
    format!(
        "sudo mkdir -p /etc/systemd/system/user@.service.d\n\
         printf '[Service]\\nDelegate=cpu memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf\n\
         sudo systemctl daemon-reload   and log in again; then: {run}\n{root}"
    )
}

/// Whether the user's own service manager was given this controller.
fn delegated(controller: &str) -> bool {
    let uid = geteuid();
    let file =
        format!("/sys/fs/cgroup/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers");
    fs::read_to_string(file)
        .is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
}
