//! What is ours: the target directory, the root filesystems in it, and the processes that began
//! there.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::CHAPTERS;
use procfs::process::{Process, all_processes};

/// The process outside that removes control groups (chapter 08).
pub const CLEANER: &str = "cleaner";

/// What belongs to this copy of the course, at one moment.
pub struct Ours {
    /// The directory that cargo builds in.
    pub target: PathBuf,
    /// Root filesystems: those below it, and others that were named.
    pub rootfs: Vec<PathBuf>,
    /// All processes that can be looked at, by their numbers.
    processes: HashMap<i32, Seen>,
}

/// A process, as far as it matters here.
pub struct Seen {
    /// Its number.
    pub pid: i32,
    /// Its program, shortened.
    pub name: String,
    /// Its program's file, where we may read the link.
    pub exe: PathBuf,
    /// Its first argument, which may name the same file.
    pub argv0: PathBuf,
    /// The root filesystem of ours that it calls `/`.
    pub rootfs: Option<PathBuf>,
    /// Its parent's number.
    pub parent: i32,
    session: i32,
    group: i32,
}

/// What a process of ours belongs to.
pub enum Owner<'a> {
    /// A launcher, or what took its place, which is alive.
    Alive(&'a Seen),
    /// The process that started it is gone.
    Gone,
}

impl Ours {
    /// Looks at the machine.
    pub fn look(others: &[PathBuf]) -> Result<Ours> {
        let exe = std::env::current_exe().context("find the path of this program")?;
        let target =
            exe.ancestors().nth(2).context("this program lies in no target directory")?.to_owned();
        let below = fs::read_dir(target.join("rootfs"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let named = others.iter().filter_map(|path| fs::canonicalize(path).ok());
        let rootfs: Vec<_> =
            below.chain(named).filter(|path| path.is_dir() && path != Path::new("/")).collect();
        let mut ours = Ours { target, rootfs, processes: HashMap::new() };
        for process in all_processes().context("read /proc")?.flatten() {
            if let Some(seen) = ours.see(&process) {
                ours.processes.insert(seen.pid, seen);
            }
        }
        Ok(ours)
    }

    /// Leaves out zombies.
    fn see(&self, process: &Process) -> Option<Seen> {
        let stat = process.stat().ok().filter(|stat| !['Z', 'X'].contains(&stat.state))?;
        let argv0 =
            process.cmdline().ok().and_then(|words| words.into_iter().next()).unwrap_or_default();
        Some(Seen {
            pid: process.pid,
            name: stat.comm,
            exe: process.exe().unwrap_or_default(),
            argv0: argv0.into(),
            rootfs: self.rootfs_of(process),
            parent: stat.ppid,
            session: stat.session,
            group: stat.pgrp,
        })
    }

    /// Compares the directories, because in another mount table the path is another one; within a
    /// root filesystem of ours the path is enough.
    fn rootfs_of(&self, process: &Process) -> Option<PathBuf> {
        let id = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let path = process.root().ok().filter(|path| path != Path::new("/"));
        let root = id(&PathBuf::from(format!("/proc/{}/root/", process.pid)))?;
        let is = |rootfs: &&PathBuf| {
            id(rootfs) == Some(root) || path.as_ref().is_some_and(|path| path.starts_with(rootfs))
        };
        self.rootfs.iter().find(is).cloned()
    }

    /// All processes.
    pub fn processes(&self) -> impl Iterator<Item = &Seen> {
        self.processes.values()
    }

    /// Whether this process was left behind.
    pub fn is_stray(&self, pid: i32) -> bool {
        self.processes
            .get(&pid)
            .is_some_and(|seen| seen.rootfs.is_some() && matches!(self.owner(seen), Owner::Gone))
    }

    /// Goes up from process to parent, to the first one outside.
    pub fn owner(&self, process: &Seen) -> Owner<'_> {
        let mut outside = self.processes.get(&process.parent);
        while let Some(parent) = outside.filter(|parent| parent.rootfs.is_some()) {
            outside = self.processes.get(&parent.parent);
        }
        match outside {
            Some(parent) if !self.adopted(process, parent) => Owner::Alive(parent),
            _ => Owner::Gone,
        }
    }

    /// Orphans come to process 1, or to a user's service manager (PR_SET_CHILD_SUBREAPER). What a
    /// shell that is process 1 has itself started is of the same session, and of a job whose leader
    /// lives; a leader outside this PID namespace has the number 0.
    fn adopted(&self, process: &Seen, parent: &Seen) -> bool {
        let same = process.session == parent.session
            && (process.group == 0 || self.processes.contains_key(&process.group));
        (parent.pid == 1 || parent.name == "systemd") && !same
    }

    /// Returns a path as one would type it at the top of the workspace.
    pub fn short(&self, path: &Path) -> String {
        let top = self.target.parent().unwrap_or(&self.target);
        path.strip_prefix(top).unwrap_or(path).display().to_string()
    }
}

impl Seen {
    /// Whether it starts containers and is in none itself.
    pub fn is_launcher(&self) -> bool {
        self.rootfs.is_none() && CHAPTERS.iter().any(|chapter| chapter.step == self.name)
    }
}
