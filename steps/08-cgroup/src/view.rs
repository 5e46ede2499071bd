//! What the container sees of its control groups: programs size themselves by their limits.

use anyhow::{Context, Result};
use mnt::Root;
use nix::sys::stat::{Mode, mkdirat};
use procfs::{FromRead, ProcessCGroup, ProcessCGroups};
use rustix::mount::MountAttrFlags;

use crate::Group;

const PLACE: &str = "sys/fs/cgroup";

impl Group {
    /// The child's part: mounts the groups that this cgroup namespace shows, for reading only.
    ///
    /// On cgroup v2 that is the one tree. On v1, and on a hybrid machine, each hierarchy is mounted
    /// in which the container has a group of its own; the others would show the groups of others.
    pub fn mount_view(&self, root: &Root) -> Result<()> {
        let read_only = mnt::INERT | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let groups = ProcessCGroups::from_file("/proc/self/cgroup");
        let groups = groups.context("read /proc/self/cgroup")?.0;
        if groups.iter().all(|group| group.hierarchy == 0) {
            return root.mount("cgroup2", PLACE, read_only, &[]);
        }
        root.mount("tmpfs", PLACE, mnt::INERT, &[("mode", "755"), ("size", "16k")])?;
        for group in groups.iter().filter(|group| self.is_in(group)) {
            let name = group.controllers.join(",");
            let mode = Mode::from_bits_truncate(0o755);
            mkdirat(root.resolve(PLACE)?, name.as_str(), mode)
                .with_context(|| format!("mkdir /{PLACE}/{name}"))?;
            let controllers: Vec<_> =
                group.controllers.iter().map(|it| (it.as_str(), "")).collect();
            root.mount("cgroup", &format!("{PLACE}/{name}"), read_only, &controllers)?;
        }
        Ok(())
    }

    /// Whether the container has a group of its own in this hierarchy of v1.
    fn is_in(&self, group: &ProcessCGroup) -> bool {
        let own = |name: &String| self.all().any(|node| node.has(name));
        group.hierarchy != 0 && group.controllers.iter().any(own)
    }
}
