//! What ordinary programs use. Names that an architecture lacks are passed over there.

use super::calls::{Calls, calls};

/// Calls that take place whatever their arguments are. The start was the default profile
/// of Moby (Docker), which podman's is made from too.
pub const ALLOWED: Calls = calls! {
    // Reading, writing and moving about in what is already open: the right was checked when it was
    // opened.
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek close
    close_range dup dup2 dup3 fcntl fcntl64 flock sendfile sendfile64 splice tee vmsplice
    copy_file_range pipe pipe2 fsync fdatasync sync syncfs sync_file_range readahead fadvise64
    fadvise64_64 fallocate ftruncate ftruncate64 cachestat

    // Files by name: the container's mounts and the files' own modes decide.
    open openat openat2 creat access faccessat faccessat2 stat stat64 lstat lstat64 fstat
    fstat64 newfstatat fstatat fstatat64 statx oldstat oldlstat oldfstat statfs statfs64 fstatfs
    fstatfs64 readlink readlinkat mkdir mkdirat rmdir link linkat symlink symlinkat unlink
    unlinkat rename renameat renameat2 truncate truncate64 chmod fchmod fchmodat fchmodat2 chown
    chown32 fchown fchown32 lchown lchown32 fchownat umask utime utimes futimesat utimensat
    utimensat_time64 chdir fchdir getcwd getdents getdents64 readdir getxattr lgetxattr
    fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr
    listxattrat removexattr lremovexattr fremovexattr removexattrat file_getattr file_setattr
    // A name becomes a handle here; the way back, open_by_handle_at, is refused.
    name_to_handle_at inotify_init inotify_init1 inotify_add_watch inotify_rm_watch

    // These two ask for a capability each, CAP_MKNOD and CAP_SYS_CHROOT: without it they answer
    // EPERM themselves. mknod makes FIFOs for everyone; after chroot nothing outside the container
    // is nearer than before it.
    mknod mknodat chroot

    // Waiting for several files at once. io_setup and its like are the old asynchronous I/O, which
    // databases use.
    poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create
    epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd
    signalfd4 io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
    io_pgetevents_time64

    // Memory of one's own.
    brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock
    munlockall mseal remap_file_pages memfd_create memfd_secret pkey_alloc pkey_free
    pkey_mprotect map_shadow_stack membarrier

    // Processes and threads. How they come to be is checked: see clone in the table of checked
    // calls.
    fork vfork execve execveat exit exit_group wait4 waitid waitpid set_tid_address gettid
    getpid getppid getpgid getpgrp setpgid getsid setsid pidfd_open pidfd_send_signal
    process_mrelease prctl arch_prctl set_thread_area get_thread_area futex futex_time64
    futex_waitv futex_wake futex_wait futex_requeue set_robust_list get_robust_list rseq
    restart_syscall kill tkill tgkill pause rt_sigaction rt_sigprocmask rt_sigpending
    rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo rt_tgsigqueueinfo
    rt_sigreturn sigaltstack signal sigaction sigprocmask sigpending sigsuspend sigreturn
    sgetmask ssetmask

    // strace and gdb. A tracer reaches only processes that it sees and whose rights it has, so none
    // outside. Since Linux 4.8 the filter looks at a call again after a tracer has changed it.
    ptrace process_vm_readv process_vm_writev

    // Share of the CPU: the control group bounds the sum of it.
    sched_yield sched_setparam sched_getparam sched_setscheduler sched_getscheduler
    sched_setattr sched_getattr sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_getaffinity
    getpriority setpriority nice ioprio_get ioprio_set getcpu getrlimit ugetrlimit setrlimit
    prlimit64 getrusage times

    // Ids and capabilities: the user namespace says which there are, and no_new_privs that none are
    // won.
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32
    getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid
    setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid
    setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset

    // Reading the clock, and timers. adjtimex reads for everyone and sets for CAP_SYS_TIME.
    time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64
    clock_nanosleep clock_nanosleep_time64 nanosleep alarm getitimer setitimer adjtimex
    clock_adjtime clock_adjtime64 timer_create timer_settime timer_settime64 timer_gettime
    timer_gettime64 timer_getoverrun timer_delete timerfd_create timerfd_settime
    timerfd_settime64 timerfd_gettime timerfd_gettime64

    // Sockets that exist. Which families there are is checked: see socket in the table of checked
    // calls.
    bind connect listen accept accept4 getsockname getpeername setsockopt getsockopt shutdown
    sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg recvmmsg_time64

    // Message queues, semaphores and shared memory: those of the IPC namespace. i386 has one call
    // for all of System V's.
    msgget msgsnd msgrcv msgctl semget semop semtimedop semtimedop_time64 semctl shmget shmat
    shmdt shmctl ipc mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive
    mq_timedreceive_time64 mq_notify mq_getsetattr

    // Questions about the system; of mounts, those of the mount namespace.
    uname olduname oldolduname sysinfo getrandom statmount listmount lsm_get_self_attr
    lsm_list_modules

    // A program may lay further restrictions on itself: filters add up, and the strictest verdict
    // counts.
    seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self

    // Made by the kernel's own trampolines when a program is traced from the host: refused, it
    // would die of that.
    uprobe uretprobe
};
