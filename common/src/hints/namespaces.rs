//! Making namespaces: clone3(2), unshare(2), and the limits on processes.

use nix::errno::Errno::{EACCES, EAGAIN, EINVAL, ENOSPC, EPERM};

use super::when::{
    ALWAYS, APPARMOR, CHROOTED, FILTERED, NO_USERNS_BUILT, NO_USERNS_LEFT, NOT_ROOT, UNABLE,
    UNMAPPED, USERNS_OFF, WSL_1,
};
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "userns-chroot",
        ["CLONE_NEWUSER"],
        [EPERM],
        CHROOTED,
        "in a chroot the kernel gives nobody a user namespace, which would be a way out (user_namespaces(7))",
        "leave the chroot with `exit` and run it outside",
    ),
    row!(
        "userns-unmapped",
        ["CLONE_NEWUSER"],
        [EPERM],
        UNMAPPED,
        "you are nobody in the user namespace that you are in",
        "start that one with its ids mapped: `unshare --user --map-root-user`, or a step without --no-map",
    ),
    row!(
        "userns-debian",
        ["CLONE_NEWUSER"],
        [EPERM],
        USERNS_OFF,
        "this Debian kernel keeps user namespaces from ordinary users",
        "`sudo sysctl kernel.unprivileged_userns_clone=1`",
    ),
    // Where CLONE_NEWUSER succeeds all the same, the rights are missing inside.
    row!(
        "userns-apparmor",
        [
            "CLONE_NEWUSER",
            "/uid_map",
            "/gid_map",
            "setgroups",
            "sethostname ",
            "make / private",
            "set lo up"
        ],
        [EPERM, EACCES],
        APPARMOR,
        "AppArmor gives this program no rights in its user namespace, as on Ubuntu since 23.10",
        "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
    row!(
        "userns-filtered",
        ["CLONE_NEWUSER", "CLONE_NEWCGROUP", "CLONE_NEWTIME", "keyctl "],
        [EPERM],
        FILTERED,
        "a seccomp filter forbids it, as inside a container",
        "`docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined …`, or work outside of it",
    ),
    row!(
        "userns-forbidden",
        ["CLONE_NEWUSER"],
        [EPERM, EACCES],
        ALWAYS,
        "a security module of this machine keeps user namespaces from you",
        "`sudo dmesg | grep -iE 'denied|avc' | tail` names it, and the rule",
    ),
    row!(
        "namespaces-not-root",
        ["clone3 ", "clone "],
        [EPERM],
        NOT_ROOT,
        "new namespaces ask for CAP_SYS_ADMIN",
        "run it with sudo; from step 05 on an ordinary user needs none",
    ),
    row!(
        "namespaces-unable",
        ["clone3 ", "clone "],
        [EPERM],
        UNABLE,
        "root has no CAP_SYS_ADMIN here, as inside a container",
        "`docker run --privileged …`, or go on with step 05, which needs none",
    ),
    row!(
        "userns-limit",
        ["CLONE_NEWUSER"],
        [ENOSPC],
        NO_USERNS_LEFT,
        "this machine allows no user namespaces, as Red Hat's did and hardened ones do",
        "`sudo sysctl user.max_user_namespaces=15000`",
    ),
    row!(
        "namespaces-limit",
        ["clone3 ", "clone ", "unshare "],
        [ENOSPC],
        ALWAYS,
        "a limit on namespaces is reached, or they are 32 deep",
        "`sysctl -a --pattern user.max_` shows the limits and `lsns` what there is: `sudo sysctl \
         user.max_NAME_namespaces=15000`",
    ),
    row!(
        "namespaces-wsl",
        ["clone3 ", "clone ", "unshare "],
        [EINVAL],
        WSL_1,
        "WSL 1 only imitates Linux, and has few namespaces",
        "in a Windows terminal: `wsl --set-version DISTRIBUTION 2`",
    ),
    row!(
        "userns-not-built",
        ["CLONE_NEWUSER"],
        [EINVAL],
        NO_USERNS_BUILT,
        "this kernel was built without user namespaces (CONFIG_USER_NS)",
        "boot your distribution's own kernel; until then follow steps 01 to 04",
    ),
    row!(
        "namespaces-not-built",
        ["clone3 ", "clone ", "unshare "],
        [EINVAL],
        ALWAYS,
        "this kernel lacks one of these namespaces",
        "`ls /proc/self/ns` shows those that it has, `grep _NS= /boot/config-$(uname -r)` what it was built with: boot \
         your distribution's own kernel",
    ),
    row!(
        "processes-limit",
        ["clone", "fork"],
        [EAGAIN],
        ALWAYS,
        "a limit on processes is reached: RLIMIT_NPROC, that of a control group, or --pids, which counts process 1 as \
         well",
        "raise --pids; `ulimit -u` shows the first, `systemctl show -p TasksMax user-$(id -u).slice` the second",
    ),
];
