//! What confines this process already: another container, a service manager, an administrator.

use std::fs;

use nix::unistd::User;
use nix::unistd::{geteuid, getuid};

use super::report::{Finding, Verdict};
use crate::packages::Packages;
use crate::programs;

/// Limits on namespaces, a filter of system calls.
pub fn findings() -> Vec<Finding> {
    vec![limits(), filter()]
}

/// The kinds of namespaces as the files below /proc/sys/user call them (namespaces(7)); time counts
/// as none of them.
const KINDS: [&str; 7] = ["user", "pid", "uts", "ipc", "mnt", "net", "cgroup"];

fn limits() -> Finding {
    let none = |kind: &&str| {
        let limit = fs::read_to_string(format!("/proc/sys/user/max_{kind}_namespaces"));
        limit.is_ok_and(|limit| limit.trim() == "0")
    };
    let kinds: Vec<_> = KINDS.into_iter().filter(none).collect();
    if kinds.is_empty() {
        return Finding::ok("limits", "of each kind of namespace some are allowed");
    }
    let settings: Vec<_> =
        kinds.iter().map(|kind| format!("user.max_{kind}_namespaces=15000")).collect();
    let because = format!("not one namespace is allowed of the kinds {}", kinds.join(", "));
    Finding::bad(Verdict::Missing, "limits", because, format!("sudo sysctl {}", settings.join(" ")))
}

/// A field of /proc/self/status.
fn status(field: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
}

fn filter() -> Finding {
    if status("Seccomp").as_deref() != Some("2") {
        return Finding::ok("system calls", "no filter is in force");
    }
    let because = "a seccomp filter is in force already, as in another container; what it refuses is seen below";
    let cure = "for docker or podman: run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …";
    Finding::bad(Verdict::Limited, "system calls", because, cure)
}

/// How an ordinary user becomes root for the chapters that need it.
pub fn sudo() -> Finding {
    const SUBJECT: &str = "root";
    if status("NoNewPrivs").as_deref() == Some("1") {
        let because = "no_new_privs is set: no program started from here, and so no sudo, can become root (prctl(2))";
        return Finding::bad(
            Verdict::Missing,
            SUBJECT,
            because,
            "start from a shell of a login of its own: su - \"$USER\"",
        );
    }
    if programs::on_path("sudo").is_some() {
        return Finding::ok(SUBJECT, "these four need it; make puts sudo before the one program");
    }
    let user = User::from_uid(getuid())
        .ok()
        .flatten()
        .map_or_else(|| geteuid().to_string(), |user| user.name);
    let install = Packages::detect()
        .map_or("install sudo".into(), |packages| packages.install_as_root("sudo"));
    let because =
        "these four need it, and there is no sudo, which make puts before the one program";
    let cure = format!(
        "su -c '{install} && usermod -aG sudo {user}'   and log in again; or without sudo:\n\
         su -c 'target/debug/01-chroot target/rootfs/host'"
    );
    Finding::bad(Verdict::Limited, SUBJECT, because, cure)
}
