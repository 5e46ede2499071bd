//! A stand-in for the machine, in which the steps are started: process 1 of a PID namespace, and its
//! other namespaces. Whatever a step does there, it does to the stand-in, and all of it ends with
//! that process.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::sched::CloneFlags;
use nix::unistd::{Gid, getegid, geteuid};
use tempfile::TempDir;

use crate::child::Child;
use crate::paths;
use crate::process::Process;
use keeper::{Keeper, Plan};

mod keeper;
mod trees;

/// The ids of the ordinary user that root's tests become: no account has them.
pub const ORDINARY_USER: u32 = 54321;

/// Where a stand-in has its parts of this workspace's target directory, so that everybody can reach
/// them.
const TARGET: &str = "/mnt";

/// Who starts a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The machine's root.
    Root,
    /// An ordinary user. Steps 01 to 04 ask for root: there the user is root of a host in a user
    /// namespace.
    User,
}

/// The host of an experiment. It goes when this value does, with all that was mounted and named
/// there.
pub struct Host {
    /// Who starts the steps there.
    pub identity: Identity,
    plan: Plan,
    keeper: Keeper,
    scratch: TempDir,
}

/// What a host is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Names, queues, links and mounts are its own, and its mounts are private.
    Private,
    /// Its mounts propagate to each other, as systemd sets it up (mount_namespaces(7)).
    SharedMounts,
    /// The same, with the names, queues and links of the machine itself: to see what is left on it.
    MachinesNetwork,
}

/// What a step asks of the user who starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// All rights: an ordinary user gets them in a user namespace.
    Root,
    /// None.
    Nothing,
    /// The ids that /etc/subuid gives to this user. They come with newuidmap(1), whose set-user-ID
    /// bit counts on the machine itself only.
    SubordinateIds,
}

impl Host {
    /// A host where `identity` starts something with these needs.
    pub(crate) fn new(identity: Identity, needs: Needs, setting: Setting) -> Result<Self> {
        let plan = Plan::new(identity, needs, setting);
        let scratch = tempfile::Builder::new()
            .prefix("host")
            .tempdir_in(directory_of_tests()?)
            .context("mkdtemp")?;
        let target = paths::target()?;
        let trees = paths::rootfs()?.parent().context("a rootfs without a directory")?.to_owned();
        let shown = [paths::profile()?, trees, scratch.path().to_owned()];
        let keeper = Keeper::start(plan, &shown, &target)?;
        let host = Host { identity, plan, keeper, scratch };
        host.give_to_user(host.scratch.path())?;
        Ok(host)
    }

    /// The process that stands for the host.
    pub fn process(&self) -> Process {
        Process { pid: self.keeper.id() as i32 }
    }

    /// Which namespace of this kind is the host's.
    pub fn ns(&self, kind: &str) -> Result<String> {
        self.process().ns(kind)
    }

    /// The number that this host gives to a process of its own.
    pub fn number_of(&self, process: Process) -> Result<i32> {
        let depth = self.process().ns_pids()?.len() - 1;
        process.ns_pids()?.get(depth).copied().context("not a process of this host")
    }

    /// What was mounted and unmounted on this host since its mountinfo was `before`: empty if
    /// nothing was.
    pub fn mount_changes(&self, before: &str) -> Result<Vec<String>> {
        let now = self.process().file("mountinfo")?;
        let not_in = |text: &str, sign: char, other: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !other.lines().any(|it| it == *line));
            lines.map(|line| format!("{sign} {line}")).collect()
        };
        Ok([not_in(before, '-', &now), not_in(&now, '+', before)].concat())
    }

    /// The ids, on the machine, of the user that starts the steps here.
    pub fn user(&self) -> (u32, u32) {
        self.plan.user
    }

    /// The id, on the machine, of this host's root: 0 unless the host belongs to a user namespace.
    pub fn root_id(&self) -> u32 {
        if self.plan.ids_inside == Some((0, 0)) { self.plan.user.0 } else { 0 }
    }

    /// Whether kill(2) reaches nothing but this host's own processes from there.
    pub fn has_own_processes(&self) -> bool {
        self.plan.has_namespaces()
    }

    /// Where programs of the user keep what lasts as long as they do (XDG_RUNTIME_DIR).
    pub(crate) fn runtime_directory(&self) -> Result<PathBuf> {
        Ok(self.place(self.scratch.path())?.there)
    }

    /// A new directory outside every rootfs, of the user that starts the steps here.
    pub fn directory(&self) -> Result<HostPath> {
        let here = tempfile::Builder::new()
            .prefix("d")
            .tempdir_in(&self.scratch)
            .context("mkdtemp")?
            .keep();
        self.give_to_user(&here)?;
        self.place(&here)
    }

    /// The program `try-call`, to be run on the host itself.
    pub fn try_call(&self) -> Result<HostPath> {
        self.place(&paths::binary("try-call")?)
    }

    /// The rootfs that all experiments share: only to be read.
    pub fn rootfs(&self) -> Result<HostPath> {
        self.place(&paths::rootfs()?)
    }

    /// Makes `path` belong to the user that starts the steps here, and open to all.
    pub fn give_to_user(&self, path: &Path) -> Result<()> {
        let (uid, gid) = self.user();
        chown(path, Some(uid), Some(gid)).with_context(|| format!("chown {}", path.display()))?;
        fs::set_permissions(path, Permissions::from_mode(0o755))
            .with_context(|| format!("chmod {}", path.display()))
    }

    /// Both paths of something in the target directory: ours and the host's.
    pub(crate) fn place(&self, here: &Path) -> Result<HostPath> {
        let there = match self.plan.by_root {
            true => Path::new(TARGET)
                .join(here.strip_prefix(paths::target()?).context("outside target")?),
            false => here.to_owned(),
        };
        Ok(HostPath { here: here.to_owned(), there })
    }

    /// A command line as one would type it in the workspace.
    pub(crate) fn as_typed(&self, command: &str) -> String {
        let target = self
            .place(&paths::target().unwrap_or_default())
            .map(|target| target.there)
            .unwrap_or_default();
        command.replace(target.display().to_string().trim_end_matches('/'), "target")
    }

    /// Starts `command` on this host, in `directory`, as the user that starts the steps here;
    /// `prepare` is called in the new process before it executes the command.
    pub(crate) fn spawn(
        &self,
        command: &mut Command,
        directory: &Path,
        groups: &[u32],
        mut prepare: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Result<Child> {
        let plan = self.plan;
        let directory = CString::new(directory.as_os_str().as_bytes())?;
        let pidfd = self.keeper.pidfd()?;
        let groups: Vec<Gid> = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        // SAFETY: the closure runs in a child with one thread and only makes system calls.
        unsafe { command.pre_exec(move || Ok(plan.join(&pidfd, &groups)?)) };
        let begin = move || {
            plan.become_user(&directory)?;
            prepare()
        };
        Child::spawn(command, begin).with_context(|| format!("start {:?}", command.get_program()))
    }
}

impl Plan {
    fn new(identity: Identity, needs: Needs, setting: Setting) -> Self {
        let by_root = geteuid().is_root();
        let user = match (by_root, identity) {
            (true, Identity::User) => (ORDINARY_USER, ORDINARY_USER),
            _ => (geteuid().as_raw(), getegid().as_raw()),
        };
        let shared_mounts = setting != Setting::Private;
        let ids_inside = match needs {
            _ if identity == Identity::Root => None,
            Needs::Root => Some((0, 0)),
            _ if by_root => None,
            Needs::Nothing => Some(user),
            Needs::SubordinateIds => (setting == Setting::SharedMounts).then_some((0, 0)),
        };
        let own = match setting {
            Setting::MachinesNetwork => CloneFlags::empty(),
            _ if by_root || ids_inside.is_some() => {
                CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNET
            }
            _ => CloneFlags::empty(),
        };
        let closed = identity == Identity::Root && needs == Needs::SubordinateIds;
        Plan { by_root, ids_inside, own, shared_mounts, closed, user }
    }
}

/// target/tmp, which nobody else can enter: a container may leave a set-user-ID program there.
fn directory_of_tests() -> Result<PathBuf> {
    let target = paths::target()?;
    let directory = target.join("tmp");
    fs::create_dir_all(&directory).with_context(|| format!("mkdir {}", directory.display()))?;
    if geteuid().is_root() {
        let owner = fs::metadata(target).context("stat target")?; // who built it will come without sudo
        chown(&directory, Some(owner.uid()), Some(owner.gid())).context("chown target/tmp")?;
    }
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).context("chmod target/tmp")?;
    Ok(directory)
}

/// A file or directory in the target directory, which a stand-in has somewhere else.
#[derive(Clone, Debug)]
pub struct HostPath {
    /// Its path for the test.
    pub here: PathBuf,
    /// Its path on the host.
    pub there: PathBuf,
}

impl HostPath {
    /// Something in this directory.
    pub fn join(&self, name: &str) -> HostPath {
        HostPath { here: self.here.join(name), there: self.there.join(name) }
    }

    /// The path on the host as an argument.
    pub fn arg(&self) -> &str {
        self.there.to_str().expect("temporary paths are plain text")
    }

    /// Writes a file here.
    pub fn write(&self, content: impl AsRef<[u8]>) -> Result<()> {
        let _guard = paths::no_fork(); // it may be a program
        fs::write(&self.here, content).with_context(|| format!("write {}", self.here.display()))
    }
}
