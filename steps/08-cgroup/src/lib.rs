//! Control groups: the container's CPU time, memory and number of processes are limited and
//! counted.

use std::os::fd::AsRawFd;
use std::process::ExitCode;

use anyhow::Result;
use common::{Operation, Tried};
use libc::{c_int, clone_args};
use nix::sched::{CloneFlags, unshare};

mod cleaner;
pub mod files;
pub mod hierarchy;
mod limits;
mod node;
mod usage;
mod view;

use cleaner::Cleaner;
use files::Version;
pub use limits::{Options, Size};
use node::Node;

/// clone3(2): the child is born in the group whose descriptor is in `cgroup`. (As a C int, the type
/// of libc's constant, it is 0.)
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The container's control group: one node in each hierarchy that has a controller for a requested
/// limit. Without limits it has none, and needs no right to create them.
pub struct Group {
    nodes: Vec<Node>,
    /// Groups without a limit, in the other trees where programs look for one.
    beside: Vec<Node>,
    cleaner: Option<Cleaner>,
}

impl Group {
    /// Creates the group and sets its limits. It is removed when this process ends, however it ends.
    ///
    /// # Errors
    /// No hierarchy has the controller, or its tree may not be changed by this user.
    pub fn create(options: &Options) -> Result<Group> {
        let limits = options.limits();
        let mut group = Group { nodes: Vec::new(), beside: Vec::new(), cleaner: None };
        if limits.is_empty() {
            return Ok(group);
        }
        let controllers: Vec<_> = limits.iter().map(|limit| limit.controller).collect();
        let hierarchies = hierarchy::find(&controllers)?;
        let cleaner = group.cleaner.insert(Cleaner::start()?);
        for hierarchy in hierarchies {
            let node = Node::create(hierarchy)?;
            cleaner.remember(&node.dir.path)?;
            let ours = limits.iter().filter(|limit| node.has(limit.controller));
            ours.into_iter().try_for_each(|limit| node.set(limit))?;
            group.nodes.push(node);
        }
        group.create_beside()?;
        Ok(group)
    }

    /// On v1 a JVM, for one, heeds a limit only where it finds the trees of all controllers by which
    /// it sizes itself. Where this user may not create a group, the container does not see the tree.
    fn create_beside(&mut self) -> Result<()> {
        for hierarchy in hierarchy::beside(&self.nodes)? {
            if let (Ok(node), Some(cleaner)) = (Node::create(hierarchy), &mut self.cleaner) {
                cleaner.remember(&node.dir.path)?;
                node.inherit()?;
                self.beside.push(node);
            }
        }
        Ok(())
    }

    /// All its nodes, with a limit and without.
    fn all(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().chain(&self.beside)
    }

    /// As [`pid::clone_args`]; on cgroup v2 the child is born in the group, so that nothing of it
    /// is ever outside.
    pub fn clone_args(&self, namespaces: &[c_int]) -> clone_args {
        let mut args = pid::clone_args(namespaces);
        if let Some(node) = self.nodes.iter().find(|node| node.dir.version == Version::V2) {
            args.flags |= CLONE_INTO_CGROUP;
            args.cgroup = node.handle.as_raw_fd() as u64;
        }
        args
    }

    /// The child's part: enters the groups that it was not born in, and makes them the `/` of its
    /// own view (cgroup_namespaces(7)).
    pub fn enter(&self) -> Result<()> {
        let mut outside = self.all().filter(|node| node.dir.is_empty());
        outside.try_for_each(Node::enter)?;
        let flags = CloneFlags::CLONE_NEWCGROUP;
        unshare(flags).tried(Operation::namespaces(flags), "unshare CLONE_NEWCGROUP")
    }

    /// Prints in one line on standard error what the container used, removes the group, and returns
    /// the exit code.
    pub fn report(self, code: ExitCode) -> Result<ExitCode> {
        if !self.nodes.is_empty() {
            common::print_stderr(&usage::describe(&self.nodes));
        }
        self.cleaner.map_or(Ok(()), Cleaner::finish)?;
        Ok(code)
    }
}
