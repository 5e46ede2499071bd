//! Looks at a namespace from within: a process of ours goes there (setns(2)).

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use nix::unistd::geteuid;

use crate::paths;
use crate::process::{Mount, Process, pidfd_open};
use crate::programs::skip_without_programs;

impl Process {
    /// The output of `command` in the namespaces of these kinds (`uts`, `net`, …) that this process
    /// is in.
    pub fn run_in(self, kinds: &[&str], command: &[&str]) -> Result<String> {
        skip_without_programs(command)?;
        let mut entering = self.enter(kinds, command)?;
        let child = {
            let _guard = paths::no_fork();
            entering.spawn().with_context(|| format!("run {command:?}"))?
        };
        let output = child.wait_with_output().with_context(|| format!("run {command:?}"))?;
        ensure!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// The host name in its UTS namespace.
    pub fn hostname(self) -> Result<String> {
        self.run_in(&["uts"], &["cat", "/proc/sys/kernel/hostname"])
    }

    /// The NIS domain name in its UTS namespace.
    pub fn domainname(self) -> Result<String> {
        self.run_in(&["uts"], &["cat", "/proc/sys/kernel/domainname"])
    }

    /// All mounts of its mount namespace, whatever it calls `/` itself: a chroot hides the rest
    /// from its own table.
    pub fn all_mounts(self) -> Result<Vec<Mount>> {
        let mut entering = self.enter(&["mnt"], &["sleep", "30"])?;
        let mut visitor = {
            let _guard = paths::no_fork();
            Visitor(entering.spawn().context("visit a mount namespace")?)
        };
        let mounts = Process { pid: visitor.0.id() as i32 }.mounts();
        visitor.0.kill().context("kill")?;
        mounts
    }

    fn enter(self, kinds: &[&str], command: &[&str]) -> Result<Command> {
        let pidfd = pidfd_open(self.pid as u32)?;
        let mut flags = CloneFlags::empty();
        // An ordinary user gets the right to go there from the user namespace that owns it.
        let user: &[&str] = if geteuid().is_root() { &[] } else { &["user"] };
        for kind in kinds.iter().chain(user) {
            if self.ns(kind)? != (Process { pid: std::process::id() as i32 }).ns(kind)? {
                flags |= flag(kind)?;
            }
        }
        let mut entering = Command::new(command[0]);
        entering
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: the closure runs in a child with one thread and makes one system call.
        unsafe {
            entering
                .pre_exec(move || if flags.is_empty() { Ok(()) } else { Ok(setns(&pidfd, flags)?) })
        };
        Ok(entering)
    }
}

/// Ends with its test.
struct Visitor(Child);

impl Drop for Visitor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn flag(kind: &str) -> Result<CloneFlags> {
    Ok(match kind {
        "cgroup" => CloneFlags::CLONE_NEWCGROUP,
        "ipc" => CloneFlags::CLONE_NEWIPC,
        "mnt" => CloneFlags::CLONE_NEWNS,
        "net" => CloneFlags::CLONE_NEWNET,
        "pid" => CloneFlags::CLONE_NEWPID,
        "user" => CloneFlags::CLONE_NEWUSER,
        "uts" => CloneFlags::CLONE_NEWUTS,
        _ => bail!("no namespace of kind {kind}"),
    })
}
