//! Creating namespaces: clone3(2), unshare(2), and the limits on processes.

use nix::errno::Errno::{EACCES, EAGAIN, EINVAL, ENOSPC, EPERM};

use super::when::{
    APPARMOR_USERNS, CHROOTED, FILTERED, NAMESPACE_NOT_BUILT, NO_ADMIN_RIGHT, NO_USERNS_BUILT,
    NO_USERNS_LEFT, NOT_ROOT, UNMAPPED, UNPRIVILEGED, USERNS_OFF, WSL_1,
};
use super::{Row, check, row};
use crate::Operation::{
    ChangeMount, ConfigureNetwork, CreateNamespaces, CreateUserNamespace, Fork, JoinKeyring,
    SetHostname, SetIds, WriteIdMap,
};

pub const ROWS: &[Row] = &[
    row!(
        "userns-chroot",
        [CreateUserNamespace],
        [EPERM],
        [CHROOTED],
        "the kernel creates no user namespace for a process in a chroot, because it would be a way out \
         (user_namespaces(7))",
        "leave the chroot with `exit` and run it outside",
    ),
    row!(
        "userns-unmapped",
        [CreateUserNamespace],
        [EPERM],
        [UNMAPPED],
        "your id is not mapped in the user namespace that you are in",
        "start that one with its ids mapped: `unshare --user --map-root-user`, or a step without --no-map",
    ),
    row!(
        "userns-debian",
        [CreateUserNamespace],
        [EPERM],
        [USERNS_OFF, UNPRIVILEGED],
        "this kernel of Debian's keeps user namespaces from ordinary users",
        "`sudo sysctl kernel.unprivileged_userns_clone=1`",
    ),
    // Where CLONE_NEWUSER succeeds all the same, the rights are missing inside.
    check!(
        "userns-apparmor",
        [CreateUserNamespace, WriteIdMap, SetIds, SetHostname, ChangeMount, ConfigureNetwork],
        [EPERM, EACCES],
        [APPARMOR_USERNS, UNPRIVILEGED],
        "AppArmor restricts user namespaces here, as Ubuntu has since 23.10: `sudo sysctl \
         kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
    row!(
        "namespaces-not-root",
        [CreateNamespaces],
        [EPERM],
        [NOT_ROOT, NO_ADMIN_RIGHT],
        "new namespaces need CAP_SYS_ADMIN",
        "run it with sudo; from step 05 on an ordinary user can do without",
    ),
    row!(
        "namespaces-unable",
        [CreateNamespaces],
        [EPERM],
        [NO_ADMIN_RIGHT],
        "root has no CAP_SYS_ADMIN here, as in a container",
        "`docker run --privileged …`, or go on with step 05, which does without",
    ),
    check!(
        "userns-filtered",
        [CreateUserNamespace, CreateNamespaces, JoinKeyring],
        [EPERM],
        [FILTERED],
        "a seccomp filter is in force here, as in a container, and may forbid this: `docker run --security-opt \
         seccomp=unconfined --security-opt apparmor=unconfined …`, or work outside of it",
    ),
    check!(
        "userns-forbidden",
        [CreateUserNamespace],
        [EPERM, EACCES],
        [],
        "whether this is a chroot, in which the kernel creates no user namespace; and `sudo dmesg | grep -iE \
         'denied|avc' | tail`, which shows what AppArmor or SELinux has forbidden",
    ),
    row!(
        "userns-limit",
        [CreateUserNamespace],
        [ENOSPC],
        [NO_USERNS_LEFT],
        "this machine allows no user namespaces, as Red Hat's did and hardened ones do",
        "`sudo sysctl user.max_user_namespaces=15000`",
    ),
    row!(
        "namespaces-limit",
        [CreateUserNamespace, CreateNamespaces],
        [ENOSPC],
        [],
        "a limit on namespaces is reached, or they are nested 32 deep",
        "`sysctl -a --pattern user.max_` shows the limits, and `lsns` what exists: `sudo sysctl \
         user.max_NAME_namespaces=15000`",
    ),
    row!(
        "namespaces-wsl",
        [CreateUserNamespace, CreateNamespaces],
        [EINVAL],
        [WSL_1],
        "WSL 1 imitates Linux, and has few namespaces",
        "in a Windows terminal: `wsl --set-version DISTRIBUTION 2`",
    ),
    row!(
        "userns-not-built",
        [CreateUserNamespace],
        [EINVAL],
        [NO_USERNS_BUILT],
        "this kernel was built without user namespaces (CONFIG_USER_NS)",
        "boot your distribution's own kernel; until then follow steps 01 to 04",
    ),
    row!(
        "namespaces-not-built",
        [CreateUserNamespace, CreateNamespaces],
        [EINVAL],
        [NAMESPACE_NOT_BUILT],
        "this kernel was built without one of the namespaces",
        "`grep _NS= /boot/config-$(uname -r)` shows what it was built with: boot your distribution's own kernel",
    ),
    check!(
        "namespaces-invalid",
        [CreateUserNamespace, CreateNamespaces],
        [EINVAL],
        [],
        "`uname -r` and `ls /proc/self/ns` show what this kernel has: the course needs Linux 5.10. A sandbox such as \
         gVisor has less",
    ),
    row!(
        "processes-limit",
        [CreateUserNamespace, CreateNamespaces, Fork],
        [EAGAIN],
        [],
        "a limit on processes is reached: RLIMIT_NPROC, that of a control group, or --pids, which counts process 1 as \
         well",
        "raise --pids; `ulimit -u` shows the first, `systemctl show -p TasksMax user-$(id -u).slice` the second",
    ),
];
