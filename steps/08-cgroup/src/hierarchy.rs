//! Where a controller is: cgroup v2 is one tree, v1 a tree for each controller or two, and on a
//! hybrid machine a controller is in one of them or in the other (cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried};
use nix::unistd::{AccessFlags, access};
use procfs::process::{MountInfo, Process};
use procfs::{ProcessCGroup, ProcessCGroups};

use crate::Node;
use crate::files::{self, Directory, Version};

/// One tree, and the place of this process in it.
#[derive(Debug)]
pub struct Hierarchy {
    /// The group that this process is in.
    pub own: Directory,
    /// The requested controllers that this tree provides.
    controllers: Vec<&'static str>,
}

/// Finds the trees that have these controllers. With v1, `cpuacct` comes too: it counts what `cpu`
/// limits.
pub fn find(controllers: &[&'static str]) -> Result<Vec<Hierarchy>> {
    let process = Process::myself().context("open /proc/self")?;
    let groups = process.cgroups().context("read /proc/self/cgroup")?;
    let mounts = files::mounts()?;
    let mut found: Vec<Hierarchy> = Vec::new();
    let extra = groups.0.iter().any(|group| group.controllers.iter().any(|name| name == "cpuacct"));
    for &controller in controllers.iter().chain(extra.then_some(&"cpuacct")) {
        let hierarchy = locate(controller, &groups, &mounts)?;
        match found.iter_mut().find(|known| known.own.top == hierarchy.own.top) {
            Some(known) => known.controllers.push(controller), // cpu and cpuacct, often mounted together
            None => found.push(hierarchy),
        }
    }
    Ok(found)
}

/// Finds the trees of v1 by which programs size themselves, besides those of `limited`.
pub(crate) fn beside(limited: &[Node]) -> Result<Vec<Hierarchy>> {
    let process = Process::myself().context("open /proc/self")?;
    let groups = process.cgroups().context("read /proc/self/cgroup")?;
    let mounts = files::mounts()?;
    let mut found: Vec<Hierarchy> = Vec::new();
    for controller in ["cpu", "cpuacct", "cpuset", "memory"] {
        let Ok(hierarchy) = locate(controller, &groups, &mounts) else { continue };
        let tops = limited.iter().map(|node| &node.dir.top);
        let known =
            tops.chain(found.iter().map(|it| &it.own.top)).any(|top| *top == hierarchy.own.top);
        if !known && !hierarchy.is_v2() {
            found.push(hierarchy);
        }
    }
    Ok(found)
}

/// A controller that is bound to a v1 tree is not in v2.
fn locate(
    controller: &'static str,
    groups: &ProcessCGroups,
    mounts: &[MountInfo],
) -> Result<Hierarchy> {
    let bound = |group: &&ProcessCGroup| group.controllers.iter().any(|name| name == controller);
    let v1 = groups.0.iter().find(bound);
    let v2 = || groups.0.iter().find(|group| group.hierarchy == 0);
    let own = v1.or_else(v2).and_then(|group| files::directory(group, mounts));
    let what = "cgroup: no hierarchy with the ";
    let missing = || {
        Failure::new(format!("{what}{controller} controller is mounted here"))
            .of(Operation::FindController)
    };
    Ok(Hierarchy { own: own.ok_or_else(missing)?, controllers: vec![controller] })
}

impl Hierarchy {
    /// Returns whether it provides this one of the requested controllers.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.contains(&controller)
    }

    /// Returns whether this is the unified tree.
    pub fn is_v2(&self) -> bool {
        self.own.version == Version::V2
    }

    /// Returns the directory in which a group with these controllers can be created.
    pub fn parent(&self) -> Result<PathBuf> {
        let dir = self.place()?;
        if self.is_v2() {
            self.pass_on(dir)?;
        }
        Ok(dir.to_owned())
    }

    /// Finds that directory and changes nothing. On v2 inner nodes have no processes, so the group
    /// that we are in can have no child. This is the nearest group above it that is writable, free
    /// of processes and has the controllers.
    pub fn place(&self) -> Result<&Path> {
        if !self.is_v2() {
            return Ok(&self.own.path);
        }
        let mut above = self.own.path.ancestors().take_while(|dir| dir.starts_with(&self.own.top));
        Ok(above.find(|dir| self.fits(dir)).ok_or_else(|| self.refusal())?)
    }

    /// On v2 a group has the controllers that the one above passes on.
    fn pass_on(&self, dir: &Path) -> Result<()> {
        let file = dir.join("cgroup.subtree_control");
        let passed_on = read_words(&file);
        for controller in
            self.controllers.iter().filter(|&name| !passed_on.iter().any(|word| word == name))
        {
            fs::write(&file, format!("+{controller}")).tried(
                Operation::EnableController,
                format_args!("write +{controller} to {}", file.display()),
            )?;
        }
        Ok(())
    }

    fn fits(&self, dir: &Path) -> bool {
        let offered = read_words(&dir.join("cgroup.controllers"));
        let root = !dir.join("cgroup.type").exists(); // only the root may have both processes and children
        self.controllers.iter().all(|name| offered.iter().any(|word| word == name))
            && (root || read_words(&dir.join("cgroup.procs")).is_empty())
            && ["", "cgroup.procs", "cgroup.subtree_control"]
                .iter()
                .all(|file| writable(&dir.join(file)))
    }

    fn refusal(&self) -> Failure {
        let names = self.controllers.join(", ");
        Failure::new(format!(
            "cgroup {}: no group from here up can have one below it with {names}",
            self.own.path.display()
        ))
        .of(Operation::FindGroup)
    }
}

fn writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

fn read_words(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}
