//! What the extensions of chapter 08 claim. The course's step fails them; `make check-08` runs them
//! while such an exercise is open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use harness::{Identity, Process, Step, chapter, holds, skip};

fn main() -> ExitCode {
    chapter(
        "08-cgroup",
        vec![
            holds("with --cpu-weight 200 the kernel gives twice the usual weight", |step| {
                expect_weight(step, &["--cpu-weight=200"])
            })
            .only(Identity::Root),
            holds("--cpu-weight and --cpus hold together", |step| {
                expect_weight(step, &["--cpu-weight=200", "--cpus=0.5"])
            })
            .only(Identity::Root),
        ],
    )
}

/// The weight, and the quota if the words ask for one, of a container that is started with `words`.
fn expect_weight(step: &Step, words: &[&str]) -> Result<()> {
    if step.launch().option("--cpus", "0.5").limits_are_refused()? {
        return skip("--cpus cannot be set here by who runs the tests");
    }
    step.expect("the step has --cpu-weight", step.has("--cpu-weight")?).equals(true)?;
    let container = step.launch().words(words).start(&["sleep", "30"])?;
    let (group, v1) = group(container.payload)?;
    let (file, weight) = if v1 { ("cpu.shares", "2048") } else { ("cpu.weight", "200") };
    let found = fs::read_to_string(group.join(file)).with_context(|| file.to_owned())?;
    step.expect(file, found.trim_end()).equals(weight)?;
    if words.len() > 1 {
        let file = if v1 { "cpu.cfs_quota_us" } else { "cpu.max" };
        let found = fs::read_to_string(group.join(file)).with_context(|| file.to_owned())?;
        step.expect(file, found).satisfies("50000", |quota| quota.starts_with("50000"))?;
    }
    Ok(())
}

/// The group of a process that has the controller cpu, and whether it is one of v1.
fn group(process: Process) -> Result<(PathBuf, bool)> {
    let table = process.file("cgroup")?;
    let v1 = table.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let bound = fields.next()?.split(',').any(|name| name == "cpu");
        bound.then(|| fields.next().map(str::to_owned)).flatten()
    });
    let v2 = table.lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned));
    let is_v1 = v1.is_some();
    let path = v1.or(v2).context("no control group")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("mountinfo")?;
    let mount = mounts.lines().find(|mount| match mount.split_once(" - ") {
        Some((_, tail)) if is_v1 => {
            tail.starts_with("cgroup ") && tail.split([' ', ',']).any(|option| option == "cpu")
        }
        Some((_, tail)) => tail.starts_with("cgroup2 "),
        None => false,
    });
    let top = mount.and_then(|mount| mount.split(' ').nth(4)).context("it is not mounted")?;
    Ok((Path::new(top).join(path.trim_start_matches('/')), is_v1))
}
