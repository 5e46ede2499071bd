//! The stage for attacks that take more than a process inside: a hostile image, an option, another
//! user. A step or another runtime is started on it as often as they like.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::peers::{Peer, Request, Site};
use super::run::chapter_options;
use super::{AttackResult, AttackResults, Attempt, DESCRIPTOR, How, Outcome, Stop, all, nothing};
use crate::claim::skipped;
use crate::host::HostPath;
use crate::launch::{Launch, Launched, Output, Step};
use crate::{paths, skip};

/// How a staged attack ended, if it could be tried.
pub type Staged = Result<Attempt>;

/// What is in the file of the host that attacks are after.
const SECRET: &str = "the host's";

/// The numbers that a launcher's own descriptors may have.
const DESCRIPTORS: std::ops::Range<i32> = 3..17;

/// A runtime and a root filesystem that an attacker has had in hand.
pub struct Stage<'a> {
    pub(super) step: &'a Step,
    peer: Option<&'a Peer>,
    pub(super) rootfs: HostPath,
    bundle: HostPath,
    /// A directory of the host with the file `marker` and the program `program`. The launcher is
    /// started with a descriptor of it.
    pub(super) outside: HostPath,
}

/// All staged attacks on a step or on a peer.
pub(super) fn results(step: &Step, peer: Option<&Peer>) -> Result<AttackResults> {
    let mut results = BTreeMap::new();
    if step.number == 0 && peer.is_none() {
        let reason = || Ok(Err(Stop::Untried("there is no container to enter".into())));
        results.extend(staged(|_| reason()));
        return Ok(results);
    }
    let stage = Stage::new(step, peer)?;
    results.extend(staged(|attack| attack(&stage)));
    Ok(results)
}

fn staged(
    run: impl Fn(fn(&Stage<'_>) -> Staged) -> Staged,
) -> impl Iterator<Item = (String, AttackResult)> {
    all().into_iter().filter_map(move |attack| match attack.how {
        How::Staged(staged) => Some((attack.name.to_owned(), result(run(staged)))),
        How::Inside(_) => None,
    })
}

fn result(staged: Staged) -> AttackResult {
    let (outcome, evidence) = match staged {
        Ok(Ok(gained)) => (Outcome::Succeeded, gained),
        Ok(Err(Stop::Untried(why))) => (Outcome::Untried, why),
        Ok(Err(Stop::Nothing(why))) => (Outcome::Stopped, why),
        Ok(Err(Stop::Refused(errno))) => (Outcome::Stopped, format!("{errno:?}")),
        Err(error) => {
            (Outcome::Untried, skipped(&error).unwrap_or_else(|| first_line(&format!("{error:#}"))))
        }
    };
    AttackResult { outcome, evidence }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("no reason given").to_owned()
}

impl<'a> Stage<'a> {
    fn new(step: &'a Step, peer: Option<&'a Peer>) -> Result<Self> {
        let rootfs = step.host().rootfs_with("attacker")?;
        let open = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(rootfs.here.join("tmp"), open).context("chmod tmp")?;
        step.host().add_program("try-call", &rootfs)?;
        let outside = step.host().directory()?;
        outside.join("marker").write(SECRET)?;
        fs::copy(paths::binary("try-call")?, outside.here.join("program")).context("copy")?;
        let bundle = step.host().directory()?;
        Ok(Stage { step, peer, rootfs, bundle, outside })
    }

    /// Runs a container to its end.
    pub(super) fn run(&self, request: &Request<'_>) -> Result<Output> {
        let (launch, command) = self.launch(request)?;
        launch.attempt(&command.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts a container.
    pub(super) fn start(&self, request: &Request<'_>) -> Result<Launched> {
        let (launch, command) = self.launch(request)?;
        launch.spawn(&command.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same on the root filesystem at another path of the host.
    pub(super) fn run_on(&self, tree: &str, request: &Request<'_>) -> Result<Output> {
        let there = HostPath { here: self.rootfs.here.clone(), there: tree.into() };
        let stage = Stage {
            step: self.step,
            peer: self.peer,
            rootfs: there,
            bundle: self.bundle.clone(),
            outside: self.outside.clone(),
        };
        stage.run(request)
    }

    /// Runs the same harmless thing: what does not work at all is not stopped.
    pub(super) fn ensure_works(&self, request: &Request<'_>) -> Result<()> {
        let output = self.run(request)?;
        match output.code() {
            0 => Ok(()),
            code => skip(format!("without an attack it ends with {code}: {}", reason(&output))),
        }
    }

    fn launch(&self, request: &Request<'_>) -> Result<(Launch<'a>, Vec<String>)> {
        if let Some(peer) = self.peer {
            let site = Site { step: self.step, rootfs: &self.rootfs, bundle: &self.bundle };
            let launch = self.step.on_host().leaking_path(DESCRIPTOR, &self.outside)?;
            return Ok((launch, (peer.argv)(&site, request)?));
        }
        let volume = request.volume.map(|(source, target)| {
            format!("{}:{target}{}", source.arg(), if request.read_only { ":ro" } else { "" })
        });
        let options = [
            ("--workdir", request.workdir),
            ("--user", request.user),
            ("--volume", volume.as_deref()),
        ];
        let mut launch = chapter_options(self.step.launch().rootfs(&self.rootfs), self.step)
            .leaking_path(DESCRIPTOR, &self.outside)?;
        for (name, value) in options.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
            if !self.step.has(name)? {
                return skip(format!("{} has no {name}", self.step.name()));
            }
            launch = launch.option(name, value);
        }
        Ok((launch, request.command.iter().map(|&word| word.to_owned()).collect()))
    }

    /// Starts a container that can be joined, and returns it with the command line that joins it:
    /// its words, then those to run.
    pub(super) fn start_named(&self, command: &[&str]) -> Result<Launched> {
        if self.peer.is_none() {
            self.needs_option("--name")?;
            let launch = self.step.launch().rootfs(&self.rootfs).option("--name", NAME);
            return launch.spawn(command);
        }
        self.start(&Request { command, ..Request::default() })
    }

    /// Runs a command in the container that was started with a name; `program` runs it instead of
    /// our own `enter`.
    pub(super) fn enter(
        &self,
        request: &Request<'_>,
        program: Option<&HostPath>,
    ) -> Result<Output> {
        if let Some(peer) = self.peer {
            let site = Site { step: self.step, rootfs: &self.rootfs, bundle: &self.bundle };
            let Some(enter) = peer.enter else {
                return skip(format!("nothing joins a container of {} from outside", peer.name));
            };
            let argv = enter(&site, request)?;
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            return self.step.on_host().attempt(&argv);
        }
        let own = paths::on_host(self.step, "enter")?;
        let program = program.map_or(own.as_str(), HostPath::arg);
        let workdir = request.workdir.map(|directory| ["--workdir", directory]);
        let mut argv = vec![program];
        argv.extend(workdir.iter().flatten());
        argv.push(NAME);
        argv.extend(request.command);
        self.step.on_host().attempt(&argv)
    }

    pub(super) fn needs_option(&self, name: &str) -> Result<()> {
        let there = self.peer.is_none() && self.step.has(name)?;
        if there { Ok(()) } else { skip(format!("it has no {name}")) }
    }

    /// What a root of the machine does on the host of this experiment.
    pub(super) fn as_root(&self, command: &[&str]) -> Result<String> {
        if !self.step.host().has_own_processes() {
            return skip("it takes the root of a host of its own");
        }
        self.step
            .host()
            .process()
            .run_in(&["mnt"], command)
            .or_else(|error| skip(first_line(&format!("it takes root on the host: {error:#}"))))
    }

    /// Shows the root filesystem, and what is outside, where every user of the host reaches them.
    pub(super) fn open_tree(&self) -> Result<String> {
        let (tree, outside) = (self.rootfs.arg(), self.outside.arg());
        let script = format!(
            "mkdir -p {OPEN}/rootfs {OPEN}/outside && chmod 755 {OPEN} &&
             mount --bind {tree} {OPEN}/rootfs && mount --bind {outside} {OPEN}/outside"
        );
        self.as_root(&["sh", "-c", &script])?;
        Ok(format!("{OPEN}/rootfs"))
    }

    /// Puts links into the image that lead to whatever a process has open: /srv-3, /srv-4 …
    fn lay_links(&self) -> Result<()> {
        for number in DESCRIPTORS {
            let link = self.rootfs.here.join(format!("srv-{number}"));
            if fs::symlink_metadata(&link).is_err() {
                symlink(format!("/proc/self/fd/{number}"), link).context("symlink")?;
            }
        }
        Ok(())
    }

    /// Tries the link to each descriptor until one brings something.
    pub(super) fn by_links(&self, attack: impl Fn(&str) -> Result<(bool, Output)>) -> Staged {
        self.lay_links()?;
        let mut answer = None;
        for number in DESCRIPTORS {
            let (succeeded, output) = attack(&format!("/srv-{number}"))?;
            if succeeded {
                return Ok(Ok(format!("through descriptor {number}")));
            }
            answer = Some(reason(&output));
        }
        Ok(nothing(answer.unwrap_or_default()))
    }

    /// A script that prints the marker if its working directory is outside.
    pub(super) fn script(&self) -> String {
        let up = "../".repeat(24);
        let marker = self.outside.join("marker");
        format!("cat marker 2>/dev/null || cat {up}{}", marker.arg().trim_start_matches('/'))
    }
}

/// The name of the container that is joined.
const NAME: &str = "web";

/// Where an [open tree](Stage::open_tree) is.
pub(super) const OPEN: &str = "/mnt/open";

/// What runs a command as a user other than all that start steps.
pub(super) const OTHER_USER: [&str; 6] =
    ["setpriv", "--reuid=54399", "--regid=54399", "--clear-groups", "--no-new-privs", "--"];

/// Whether the host's file was read.
pub(super) fn has_secret(output: &Output) -> bool {
    output.stdout.contains(SECRET)
}

/// Why something failed, in one line.
pub(super) fn reason(output: &Output) -> String {
    let line = output.stderr.lines().find(|line| !line.starts_with("warning"));
    line.map_or_else(|| format!("exit code {}", output.code()), str::to_owned)
}

/// Copies a program to where the user that starts the steps owns it.
pub(super) fn own_copy(stage: &Stage<'_>, name: &str) -> Result<HostPath> {
    let copy = stage.step.host().directory()?.join(name);
    let program = paths::binary(name)?;
    ensure!(program.is_file(), "no {name}");
    {
        let _guard = paths::no_fork();
        fs::copy(&program, &copy.here).context("copy")?;
    }
    stage.step.host().give_to_user(&copy.here)?;
    Ok(copy)
}

/// The identity of a file, as words for the attacker.
pub(super) fn id_of(path: &Path) -> Result<String> {
    let id = crate::process::FileId::of(path)?;
    Ok(format!("program={}:{}", id.device, id.inode))
}
