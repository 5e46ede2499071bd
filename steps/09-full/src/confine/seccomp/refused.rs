//! What is known and not for a container.

use super::calls::{Calls, calls};

/// Calls that answer EPERM, whatever their arguments are and whatever capabilities the
/// caller has.
pub const REFUSED: Calls = calls! {
    // Into other namespaces, and the ones within which an ordinary user has all capabilities: most
    // of the holes of recent years were in code that only those reach.
    unshare setns

    // The container's mounts are its isolation: masks and read-only paths could be taken off. All
    // of the new interface as well, which does the same in smaller steps.
    mount umount umount2 pivot_root fsopen fsconfig fsmount fspick open_tree open_tree_attr
    move_mount mount_setattr

    // A file by its handle: any file of the filesystem, also outside the root (the shocker of
    // 2014).
    open_by_handle_at

    // Large interfaces between programs and the inside of the kernel, and the larger part of its
    // known holes. With io_uring calls are made that no filter sees.
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register

    // Keys: keyrings belong to a user id, not to a namespace, so that containers of one user share
    // them.
    keyctl add_key request_key

    // Another process's descriptors, layout and advice on its memory: more than a debugger needs.
    pidfd_getfd kcmp process_madvise

    // Where memory lies on a machine with several memory controllers: affects everyone there
    // (CVE-2016-10277, -2017-7616).
    mbind set_mempolicy set_mempolicy_home_node get_mempolicy migrate_pages move_pages

    // The kernel itself: another one, its modules, its end, its log.
    kexec_load kexec_file_load init_module finit_module delete_module reboot syslog
    lookup_dcookie

    // The machine as a whole: swap, quotas, accounting, the clock, its name, its console.
    swapon swapoff quotactl quotactl_fd acct settimeofday stime clock_settime clock_settime64
    sethostname setdomainname vhangup fanotify_init fanotify_mark

    // Hardware, and x86's past: I/O ports, segments of one's own, 16-bit code (CVE-2015-5157 and
    // others).
    ioperm iopl modify_ldt vm86 vm86old

    // The label that a security module gave to the container.
    lsm_set_self_attr

    // i386 only: one call for everything about sockets, with the arguments in memory, where a
    // filter cannot look. Each of them has a call of its own since Linux 4.3.
    socketcall

    // Long superseded, and still there.
    sysfs ustat uselib _sysctl
};

/// Calls that answer ENOSYS as if this kernel did not have them; so does every number
/// that is in no table.
pub const ABSENT: Calls = calls! {
    // Its flags are in memory, where a filter cannot look. glibc then falls back on clone, whose
    // flags are in a register.
    clone3

    // Numbers without a call behind them: taken out of the kernel, or never in it.
    afs_syscall bdflush create_module epoll_ctl_old epoll_wait_old ftime get_kernel_syms getpmsg
    gtty idle lock mpx nfsservctl prof profil putpmsg query_module security stty tuxcall ulimit
    vserver
};
