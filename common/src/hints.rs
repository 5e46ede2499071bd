//! What was tried × what the kernel answered × what this machine shows → what to do about it.

use std::fs;

use anyhow::Error;
use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::failure::errno;

/// One cause and its cure.
struct Hint {
    /// One of these stands in the error's text.
    tried: &'static [&'static str],
    errno: Errno,
    /// What the machine shows when this is the cause.
    when: fn() -> bool,
    cure: &'static str,
}

const fn hint(tried: &'static [&'static str], errno: Errno, when: fn() -> bool, cure: &'static str) -> Hint {
    Hint { tried, errno, when, cure }
}

/// The first row that fits is told, so the narrower cause stands above the wider one.
const HINTS: &[Hint] = &[
    hint(
        &["chroot"],
        Errno::EPERM,
        always,
        "chroot(2) asks for CAP_SYS_CHROOT: run it with sudo (from step 05 on an ordinary user needs none)",
    ),
    hint(
        &["chroot", "root filesystem"],
        Errno::ENOENT,
        always,
        "there is no such directory: `make rootfs` builds one and prints its path",
    ),
    hint(
        &["chroot", "root filesystem"],
        Errno::ENOTDIR,
        always,
        "ROOTFS is a directory, not an archive: `target/debug/rootfs tar FILE` unpacks one",
    ),
    hint(
        &["chroot", "root filesystem"],
        Errno::EACCES,
        always,
        "the container's root may not enter that path: every directory on the way needs the x permission for it",
    ),
    hint(
        &["mount point"],
        Errno::ENOENT,
        always,
        "the rootfs lacks this directory, where the container's own is to be mounted: make it with mkdir",
    ),
    hint(
        &["clone3", "unshare"],
        Errno::EPERM,
        not_root_and_userns_off,
        "this Debian kernel keeps user namespaces from ordinary users: sudo sysctl kernel.unprivileged_userns_clone=1",
    ),
    hint(
        &["clone3"],
        Errno::EPERM,
        not_root,
        "new namespaces ask for CAP_SYS_ADMIN: run it with sudo (from step 05 on an ordinary user needs none)",
    ),
    hint(
        &["clone3", "unshare"],
        Errno::ENOSPC,
        always,
        "a limit on namespaces is reached: see sysctl user.max_user_namespaces and its siblings",
    ),
    hint(
        &["clone3"],
        Errno::ENOSYS,
        always,
        "clone3(2) came with Linux 5.3; inside another container its seccomp filter may hide it",
    ),
    hint(
        &["_map"],
        Errno::EPERM,
        restricted_by_apparmor,
        "AppArmor gives this program no rights in its user namespace: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    hint(
        &["_map"],
        Errno::EPERM,
        not_root,
        "an ordinary user may map one id, the own one: IN:OUT:1 with OUT as `id -u` and `id -g` show it",
    ),
    hint(
        &["_map"],
        Errno::EPERM,
        always,
        "every OUT id must itself be mapped where you are: see /proc/self/uid_map and /proc/self/gid_map",
    ),
    hint(
        &["_map"],
        Errno::EINVAL,
        always,
        "ranges may not overlap, neither inside nor outside, and there may be 340 of them (user_namespaces(7))",
    ),
    hint(
        &[""],
        Errno::EOVERFLOW,
        always,
        "no id of this process is mapped, so that nothing can be created as its own: leave out --no-map, or map id 0",
    ),
    hint(
        &["mount proc"],
        Errno::EPERM,
        always,
        "a new /proc is for the owner of the PID namespace, and only where the present one is wholly visible",
    ),
    hint(
        &["pivot_root"],
        Errno::EINVAL,
        always,
        "both the old and the new root must be mount points and neither may be shared; nor can an initramfs be left",
    ),
    hint(&["listen on"], Errno::EADDRINUSE, always, "`ss -tlnp` shows who has that port; choose another one"),
    hint(
        &["listen on"],
        Errno::EACCES,
        not_root,
        "ports below 1024 (sysctl net.ipv4.ip_unprivileged_port_start) are root's: choose a higher one",
    ),
    hint(&["listen on"], Errno::EADDRNOTAVAIL, always, "this machine has no such address: `ip address` lists them"),
    hint(
        &["cgroup"],
        Errno::EACCES,
        not_root,
        "this part of the cgroup tree is not yours. On cgroup v2: systemd-run --user --scope -p Delegate=yes COMMAND; \
               on v1 limits are for root: use sudo, or leave them out",
    ),
    hint(
        &["cgroup"],
        Errno::EROFS,
        always,
        "the cgroup tree is mounted read-only, as inside another container: leave the limits out, or start that one \
               with its cgroups writable",
    ),
];

/// What to do about `error`.
pub(crate) fn matching(error: &Error) -> Option<&'static str> {
    let errno = error.chain().find_map(errno)?;
    let text = format!("{error:#}");
    let tried = |hint: &Hint| hint.tried.iter().any(|tried| text.contains(tried));
    HINTS.iter().find(|hint| hint.errno == errno && tried(hint) && (hint.when)()).map(|hint| hint.cure)
}

fn always() -> bool {
    true
}

fn not_root() -> bool {
    !geteuid().is_root()
}

fn not_root_and_userns_off() -> bool {
    not_root() && sysctl("kernel/unprivileged_userns_clone").is_some_and(|value| value == "0")
}

fn restricted_by_apparmor() -> bool {
    sysctl("kernel/apparmor_restrict_unprivileged_userns").is_some_and(|value| value == "1")
}

fn sysctl(name: &str) -> Option<String> {
    let value = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn cure(tried: &'static str, errno: Errno) -> Option<&'static str> {
        matching(&Err::<(), _>(errno).context(tried).unwrap_err())
    }

    #[test]
    fn the_first_row_that_fits_is_taken() {
        assert!(cure("chroot /x", Errno::EPERM).unwrap().contains("CAP_SYS_CHROOT"));
        assert!(cure("write /proc/7/uid_map", Errno::EINVAL).unwrap().contains("overlap"));
        assert_eq!(cure("read something", Errno::EIO), None);
    }

    #[test]
    fn an_error_without_an_errno_has_no_hint() {
        assert_eq!(matching(&anyhow::anyhow!("chroot")), None);
    }
}
