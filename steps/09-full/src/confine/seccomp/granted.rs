//! What is refused unless the container was given the capability that the call is for.

use rustix::thread::CapabilitySet;

use super::calls::{Calls, calls};

/// A capability, and the calls that come with it.
pub const GRANTED: &[(CapabilitySet, Calls)] = &[
    (CapabilitySet::SYS_ADMIN, MOUNTS),
    (CapabilitySet::SYS_ADMIN, calls! { unshare setns clone clone3 sethostname setdomainname }),
    (CapabilitySet::SYS_ADMIN, calls! { bpf perf_event_open fanotify_init fanotify_mark }),
    (CapabilitySet::SYS_ADMIN, calls! { quotactl quotactl_fd syslog }),
    (CapabilitySet::BPF, calls! { bpf }),
    (CapabilitySet::DAC_READ_SEARCH, calls! { open_by_handle_at }),
    (CapabilitySet::PERFMON, calls! { perf_event_open }),
    (CapabilitySet::SYSLOG, calls! { syslog }),
    (CapabilitySet::SYS_BOOT, calls! { reboot kexec_load kexec_file_load }),
    (CapabilitySet::SYS_MODULE, calls! { init_module finit_module delete_module }),
    (CapabilitySet::SYS_NICE, calls! { mbind set_mempolicy set_mempolicy_home_node get_mempolicy }),
    (CapabilitySet::SYS_NICE, calls! { migrate_pages move_pages }),
    (CapabilitySet::SYS_PACCT, calls! { acct }),
    (CapabilitySet::SYS_PTRACE, calls! { kcmp pidfd_getfd process_madvise }),
    (CapabilitySet::SYS_RAWIO, calls! { ioperm iopl }),
    (CapabilitySet::SYS_TIME, calls! { settimeofday stime clock_settime clock_settime64 }),
    (CapabilitySet::SYS_TTY_CONFIG, calls! { vhangup }),
];

const MOUNTS: Calls = calls! {
    mount umount umount2 fsopen fsconfig fsmount fspick open_tree open_tree_attr move_mount
    mount_setattr pivot_root
};
