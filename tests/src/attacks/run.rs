//! Lets the attacks loose from inside a step, or from inside another container runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::peers::{Peer, Request, Site};
use super::{DESCRIPTOR, How, LIMITS, SECRET, TERMINAL, all, stage};
use crate::host::{HostPath, Identity};
use crate::launch::{Launch, Launched, Output, Step};
use crate::paths;
use crate::process::wait_until;

/// Whether an attack did what it was after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It did.
    Succeeded,
    /// It did not.
    Stopped,
    /// It could not be tried here.
    Untried,
}

/// How one attack ended.
#[derive(Clone, Debug)]
pub struct AttackResult {
    /// Whether it succeeded.
    pub outcome: Outcome,
    /// What it gained, or what stopped it.
    pub evidence: String,
}

/// How the attacks ended, by their names.
pub type AttackResults = BTreeMap<String, AttackResult>;

/// A group of the launcher's, which files may be denied to.
const GROUP: u32 = 4242;

/// All attacks from inside step `number`, as `identity` starts it; 0 is the host without a
/// container.
pub fn attack_step(number: usize, identity: Identity) -> Result<AttackResults> {
    let step = Step::new(number, identity)?;
    let rootfs = step.host().rootfs_with("attacker")?;
    fs::set_permissions(rootfs.here.join("tmp"), Permissions::from_mode(0o1777))
        .context("chmod tmp")?;
    let (launch, unlimited) = limited(chapter_options(step.launch().rootfs(&rootfs), &step))?;
    let program = match number {
        0 => paths::on_host(&step, "attacker")?,
        _ => "attacker".to_owned(),
    };
    let argv = |words: &[&str]| launch.argv(&[&[program.as_str()], words].concat());
    let mut results = Decoyed::prepare(&step, unlimited)?.attack(&argv, true)?;
    results.extend(stage::results(&step, None)?);
    Ok(results)
}

/// What chapter 05 shows to root: ids that are not the host's. (09 chooses such ones by itself.)
pub(super) fn chapter_options<'a>(launch: Launch<'a>, step: &Step) -> Launch<'a> {
    let range = "0:100000:65536";
    match (step.identity, step.number) {
        (Identity::Root, 5..=8) => launch.option("--uid-map", range).option("--gid-map", range),
        _ => launch,
    }
}

/// What chapter 08 shows, where the caller may set limits; else a word that says why there are
/// none.
fn limited(launch: Launch<'_>) -> Result<(Launch<'_>, Option<&'static str>)> {
    let limits =
        LIMITS.iter().fold(launch.clone(), |launch, (name, value)| launch.option(name, value));
    match limits.limits_are_refused()? {
        true => Ok((launch, Some("unlimited=this user may not make a control group here"))),
        false => Ok((limits, None)),
    }
}

/// All attacks from inside another runtime. None where it does not start here; then the reason.
pub fn attack_peer(peer: &Peer, identity: Identity) -> Result<Result<AttackResults, String>> {
    let step = match identity {
        Identity::Root => Step::new(0, identity)?,
        Identity::User => Step::without_root(0)?,
    };
    let rootfs = step.host().rootfs_with("attacker")?;
    fs::set_permissions(rootfs.here.join("tmp"), Permissions::from_mode(0o1777))
        .context("chmod tmp")?;
    let bundle = step.host().directory()?;
    let site = Site { step: &step, rootfs: &rootfs, bundle: &bundle };
    let argv = |words: &[&str]| {
        let command = [&["/bin/attacker"], words].concat();
        (peer.argv)(&site, &Request { command: &command, ..Request::default() })
    };
    let groups = Groups::now();
    let results = Decoyed::prepare(&step, None)?.attack(&argv, peer.takes_words);
    let results = results.and_then(|mut results| {
        results.extend(stage::results(&step, Some(peer))?);
        Ok(results)
    });
    let own = site.id();
    drop(step); // and with it the processes that are still in a group
    groups.remove_new(&own);
    Ok(results.map_err(|error| format!("{error:#}")))
}

/// The control groups of all hierarchies.
struct Groups(BTreeSet<PathBuf>);

impl Groups {
    fn now() -> Self {
        let mut all = vec![PathBuf::from("/sys/fs/cgroup")];
        let mut next = 0;
        while let Some(group) = all.get(next) {
            let entries = fs::read_dir(group).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
            all.extend(below.map(|entry| entry.path()).collect::<Vec<_>>());
            next += 1;
        }
        Groups(all.into_iter().collect())
    }

    /// Podman leaves an empty parent of its containers' groups, and a runtime that was killed the group
    /// of its container.
    fn remove_new(self, own: &str) {
        let ours = |group: &PathBuf| group.ends_with("libpod_parent") || group.ends_with(own);
        let new =
            Groups::now().0.into_iter().filter(|group| ours(group) && !self.0.contains(group));
        let mut left: Vec<_> = new.collect();
        for _attempt in 0..20 {
            left.retain(|group| remove(group).is_err());
            if left.is_empty() {
                return;
            }
            sleep(Duration::from_millis(50)); // processes that were killed are still ending
        }
    }
}

/// Removes a group with those below it.
fn remove(group: &Path) -> io::Result<()> {
    let below = fs::read_dir(group)?.flatten().map(|entry| entry.path());
    below.filter(|path| path.is_dir()).try_for_each(|path| remove(&path))?;
    fs::remove_dir(group)
}

impl Step {
    /// One attack from inside this step, started with these options (a step that has none of that
    /// name goes without).
    pub fn attack(&self, name: &str, options: &[(&str, &str)]) -> Result<AttackResult> {
        let rootfs = self.host().rootfs_with("attacker")?;
        let launch = options.iter().fold(self.launch().rootfs(&rootfs), |launch, (name, value)| {
            launch.option(name, value)
        });
        let site = Decoyed::prepare(self, None)?;
        let words: Vec<&str> = ["attacker"]
            .into_iter()
            .chain(site.words.iter().map(String::as_str))
            .chain([name])
            .collect();
        let output = site.run(&[], &launch.argv(&words)?)?;
        parse(&output.stdout)
            .remove(name)
            .with_context(|| format!("no answer: {}", output.stderr.trim_end()))
    }
}

/// A host with decoys on it.
struct Decoyed<'a> {
    step: &'a Step,
    outside: HostPath,
    words: Vec<String>,
    decoys: Launched,
    careless: String,
}

impl<'a> Decoyed<'a> {
    fn prepare(step: &'a Step, unlimited: Option<&str>) -> Result<Self> {
        let outside = step.host().directory()?;
        outside.join("marker").write("outside")?;
        let careless = paths::on_host(step, "attacker")?;
        let mut decoys =
            step.on_host().spawn(&[&careless, "decoys", outside.join("marker").arg()])?;
        let line = decoys.first_line().context("lay out the decoys")?;
        let words =
            line.split(' ').map(str::to_owned).chain(unlimited.map(str::to_owned)).collect();
        Ok(Decoyed { step, outside, words, decoys, careless })
    }

    /// `argv` makes a command line of the words for `attacker`; `terminal` says that more words may
    /// be appended to it.
    fn attack(
        self,
        argv: &dyn Fn(&[&str]) -> Result<Vec<String>>,
        terminal: bool,
    ) -> Result<AttackResults> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let output = self.run(&[], &argv(&words)?)?;
        let mut answers = parse(&output.stdout);
        if terminal {
            let output = self.run(&["--terminal"], &argv(&[&words[..], &[TERMINAL]].concat())?)?;
            answers.extend(parse(&output.stdout));
        } else {
            let untried = AttackResult { outcome: Outcome::Untried, evidence: "not tried".into() };
            answers.insert(TERMINAL.into(), untried);
        }
        let missing = all()
            .iter()
            .filter(|attack| matches!(attack.how, How::Inside(_)))
            .find(|attack| !answers.contains_key(attack.name))
            .map(|attack| attack.name);
        let why = output.stderr.lines().next().unwrap_or("no answer");
        ensure!(missing.is_none(), "{why}");
        Ok(answers)
    }

    /// As a careless launcher would: with a descriptor, a variable, a key and a group that are
    /// nobody's business.
    fn run(&self, options: &[&str], argv: &[String]) -> Result<Output> {
        let mut command = vec![self.careless.as_str(), "careless"];
        command.extend(options);
        command.extend(argv.iter().map(String::as_str));
        let launch = self
            .step
            .on_host()
            .directory(&self.outside.there)
            .leaking(&[DESCRIPTOR])
            .environment(SECRET, "4711");
        let launch = if geteuid().is_root() { launch.groups(&[GROUP]) } else { launch };
        launch.attempt(&command)
    }
}

impl Drop for Decoyed<'_> {
    /// Lets the decoys be removed.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.decoys.process().pid), Signal::SIGTERM);
        let _ = self.decoys.wait();
    }
}

fn parse(text: &str) -> AttackResults {
    let line = |line: &str| {
        let mut fields = line.trim_end().splitn(3, '\t').map(str::to_owned);
        let (name, outcome) = (fields.next()?, fields.next()?);
        let outcome = match outcome.as_str() {
            "succeeded" => Outcome::Succeeded,
            "stopped" => Outcome::Stopped,
            "untried" => Outcome::Untried,
            _ => return None,
        };
        Some((name, AttackResult { outcome, evidence: fields.next().unwrap_or_default() }))
    };
    text.lines().filter_map(line).collect()
}

impl Launched {
    fn first_line(&mut self) -> Result<String> {
        let mut line = String::new();
        wait_until("a line", Duration::from_secs(5), || {
            line = self.stdout_so_far()?;
            Ok(line.ends_with('\n'))
        })?;
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_attacker_is_a_name_a_result_and_evidence() {
        let answers = parse("sysrq\tstopped\tEACCES\r\nnonsense\nterminal\tsucceeded\ttyped\n");
        assert_eq!(answers.len(), 2);
        assert_eq!(
            (answers["sysrq"].outcome, answers["sysrq"].evidence.as_str()),
            (Outcome::Stopped, "EACCES")
        );
    }
}
