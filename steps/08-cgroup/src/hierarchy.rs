//! Where a controller is: cgroup v2 is one tree, v1 a tree for each controller or two, and on a
//! hybrid machine a controller is in one of them or in the other (cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::Failure;
use nix::unistd::{AccessFlags, access};
use procfs::process::{MountInfo, Process};
use procfs::{ProcessCGroup, ProcessCGroups};

/// The two interfaces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    /// Documentation/admin-guide/cgroup-v1
    V1,
    /// Documentation/admin-guide/cgroup-v2.rst
    V2,
}

/// One tree, and the place of this process in it.
#[derive(Debug)]
pub struct Hierarchy {
    /// Which interface its files have.
    pub version: Version,
    /// Those of the asked for controllers that this tree has.
    controllers: Vec<&'static str>,
    top: PathBuf,
    own: PathBuf,
}

/// Finds the trees that have these controllers. With v1, `cpuacct` comes too: it counts what `cpu`
/// limits.
pub fn find(controllers: &[&'static str]) -> Result<Vec<Hierarchy>> {
    let process = Process::myself().context("open /proc/self")?;
    let groups = process.cgroups().context("read /proc/self/cgroup")?;
    let mounts: Vec<MountInfo> =
        process.mountinfo().context("read /proc/self/mountinfo")?.into_iter().collect();
    let mut found: Vec<Hierarchy> = Vec::new();
    let extra = groups.0.iter().any(|group| group.controllers.iter().any(|name| name == "cpuacct"));
    for &controller in controllers.iter().chain(extra.then_some(&"cpuacct")) {
        let hierarchy = locate(controller, &groups, &mounts)?;
        match found.iter_mut().find(|known| known.top == hierarchy.top) {
            Some(known) => known.controllers.push(controller), // cpu and cpuacct, often mounted together
            None => found.push(hierarchy),
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
    let version = if v1.is_some() { Version::V1 } else { Version::V2 };
    let shows = |mount: &&MountInfo| match version {
        Version::V1 => mount.fs_type == "cgroup" && mount.super_options.contains_key(controller),
        Version::V2 => mount.fs_type == "cgroup2",
    };
    let place = v1.or_else(v2).zip(mounts.iter().find(shows));
    let (group, mount) = place.ok_or_else(|| {
        Failure::new(format!(
            "cgroup: no hierarchy with the {controller} controller is mounted here"
        ))
    })?;
    // Inside another container the mount may begin further down in the tree.
    let below =
        group.pathname.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or(&group.pathname);
    let own = mount.mount_point.join(below.trim_start_matches('/'));
    Ok(Hierarchy { version, controllers: vec![controller], top: mount.mount_point.clone(), own })
}

impl Hierarchy {
    /// Whether one of the asked for controllers is this one's.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.contains(&controller)
    }

    /// Whether this is the unified tree.
    pub fn is_v2(&self) -> bool {
        self.version == Version::V2
    }

    /// The file of a group by which a process enters it. On v1 cgroup.procs would do as well, and
    /// wait 20 ms for an RCU grace period; a single thread need not.
    pub fn entrance(&self) -> &'static str {
        if self.is_v2() { "cgroup.procs" } else { "tasks" }
    }

    /// The directory in which a group can be made that has the controllers.
    pub fn parent(&self) -> Result<PathBuf> {
        let dir = self.place()?;
        if self.is_v2() {
            self.pass_on(dir)?;
        }
        Ok(dir.to_owned())
    }

    /// Where that is. v2 has no processes in inner nodes, so our own group, in which we are, can
    /// have no child: the nearest group above is taken that is writable, free of processes and has
    /// the controllers.
    pub fn place(&self) -> Result<&Path> {
        if !self.is_v2() {
            return Ok(&self.own);
        }
        let mut above = self.own.ancestors().take_while(|dir| dir.starts_with(&self.top));
        Ok(above.find(|dir| self.fits(dir)).ok_or_else(|| self.refusal())?)
    }

    /// On v2 a group has the controllers that the one above passes on.
    fn pass_on(&self, dir: &Path) -> Result<()> {
        let file = dir.join("cgroup.subtree_control");
        let passed_on = read_words(&file);
        for controller in
            self.controllers.iter().filter(|&name| !passed_on.iter().any(|word| word == name))
        {
            fs::write(&file, format!("+{controller}"))
                .with_context(|| format!("write +{controller} to {}", file.display()))?;
        }
        Ok(())
    }

    fn fits(&self, dir: &Path) -> bool {
        let offered = read_words(&dir.join("cgroup.controllers"));
        let root = !dir.join("cgroup.type").exists(); // the root alone may have both processes and children
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
            self.own.display()
        ))
    }
}

fn writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

fn read_words(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}
