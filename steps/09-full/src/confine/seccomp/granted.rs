//! What is refused unless the container was given the capability that the call is for.

use rustix::thread::CapabilitySet;

/// A capability, and the groups of calls that come with it.
#[rustfmt::skip]
const GRANTED: &[(CapabilitySet, &[&str])] = &[
    (CapabilitySet::SYS_ADMIN, &[
        "mount umount umount2 fsopen fsconfig fsmount fspick open_tree open_tree_attr move_mount mount_setattr pivot_root",
        "unshare setns clone clone3 sethostname setdomainname",
        "bpf perf_event_open fanotify_init fanotify_mark quotactl quotactl_fd syslog",
    ]),
    (CapabilitySet::BPF, &["bpf"]),
    (CapabilitySet::DAC_READ_SEARCH, &["open_by_handle_at"]),
    (CapabilitySet::PERFMON, &["perf_event_open"]),
    (CapabilitySet::SYSLOG, &["syslog"]),
    (CapabilitySet::SYS_BOOT, &["reboot kexec_load kexec_file_load"]),
    (CapabilitySet::SYS_MODULE, &["init_module finit_module delete_module"]),
    (CapabilitySet::SYS_NICE, &["mbind set_mempolicy set_mempolicy_home_node get_mempolicy migrate_pages move_pages"]),
    (CapabilitySet::SYS_PACCT, &["acct"]),
    (CapabilitySet::SYS_PTRACE, &["kcmp pidfd_getfd process_madvise"]),
    (CapabilitySet::SYS_RAWIO, &["ioperm iopl"]),
    (CapabilitySet::SYS_TIME, &["settimeofday stime clock_settime clock_settime64"]),
    (CapabilitySet::SYS_TTY_CONFIG, &["vhangup"]),
];

/// The groups of calls that come with these capabilities.
pub fn calls(kept: CapabilitySet) -> impl Iterator<Item = &'static str> {
    let granted = GRANTED.iter().filter(move |(capability, _)| kept.contains(*capability));
    granted.flat_map(|(_, calls)| calls.iter().copied())
}
