//! What is refused unless the container was given the capability that the call is for.

use caps::{Capability, CapsHashSet};

/// A capability, and the groups of calls that come with it.
#[rustfmt::skip]
const GRANTED: &[(Capability, &[&str])] = &[
    (Capability::CAP_SYS_ADMIN, &[
        "mount umount umount2 fsopen fsconfig fsmount fspick open_tree open_tree_attr move_mount mount_setattr pivot_root",
        "unshare setns clone clone3 sethostname setdomainname",
        "bpf perf_event_open fanotify_init fanotify_mark quotactl quotactl_fd syslog",
    ]),
    (Capability::CAP_BPF, &["bpf"]),
    (Capability::CAP_DAC_READ_SEARCH, &["open_by_handle_at"]),
    (Capability::CAP_PERFMON, &["perf_event_open"]),
    (Capability::CAP_SYSLOG, &["syslog"]),
    (Capability::CAP_SYS_BOOT, &["reboot kexec_load kexec_file_load"]),
    (Capability::CAP_SYS_MODULE, &["init_module finit_module delete_module"]),
    (Capability::CAP_SYS_NICE, &["mbind set_mempolicy set_mempolicy_home_node get_mempolicy migrate_pages move_pages"]),
    (Capability::CAP_SYS_PACCT, &["acct"]),
    (Capability::CAP_SYS_PTRACE, &["kcmp pidfd_getfd process_madvise"]),
    (Capability::CAP_SYS_RAWIO, &["ioperm iopl"]),
    (Capability::CAP_SYS_TIME, &["settimeofday stime clock_settime clock_settime64"]),
    (Capability::CAP_SYS_TTY_CONFIG, &["vhangup"]),
];

/// The groups of calls that come with these capabilities.
pub fn calls(kept: &CapsHashSet) -> impl Iterator<Item = &'static str> {
    let granted = GRANTED.iter().filter(|(capability, _)| kept.contains(capability));
    granted.flat_map(|(_, calls)| calls.iter().copied())
}
