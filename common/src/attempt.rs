//! What was tried, as a type: the words are for the reader, the operation is for the table of hints.

use std::fmt::{self, Display};
use std::path::Path;

use anyhow::{Context, Error, Result};
use nix::sched::CloneFlags;

use crate::Failure;

/// What a program tries that can fail for a reason which the table of hints knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// chroot(2)
    Chroot,
    /// open(2), openat2(2) or open_tree(2) of ROOTFS
    OpenRootfs,
    /// openat2(2) of a mount point below ROOTFS
    OpenMountPoint,
    /// execve(2) of the payload
    Exec,

    /// clone3(2), clone(2) or unshare(2) with `CLONE_NEWUSER`: [`Operation::namespaces`]
    CreateUserNamespace,
    /// the same calls with other namespaces only
    CreateNamespaces,
    /// fork(2), or clone(2) without a namespace
    Fork,
    /// sethostname(2), setdomainname(2)
    SetHostname,

    /// msgget(2), mq_open(3), mq_unlink(3)
    OpenQueue,
    /// msgsnd(2), mq_send(3)
    SendMessage,
    /// msgrcv(2), mq_receive(3)
    ReceiveMessage,

    /// write(2) to `uid_map`, `gid_map` or `setgroups` in /proc/PID
    WriteIdMap,
    /// newuidmap(1), newgidmap(1)
    RunNewuidmap,
    /// setresuid(2), setresgid(2), setgroups(2)
    SetIds,
    /// fchown(2) to an id of the container
    ChangeOwner,
    /// mount_setattr(2) with `MOUNT_ATTR_IDMAP`
    IdmapMount,

    /// mount(2) or fsmount(2) of a new proc: [`Operation::mount`]
    MountProc,
    /// mount(2) or fsmount(2) of a new sysfs
    MountSysfs,
    /// mount(2) of an overlay
    MountOverlay,
    /// mount(2) or fsmount(2) of another new filesystem
    Mount,
    /// mount(2) with `MS_BIND`, or open_tree(2) and move_mount(2): a file or directory on another
    Bind,
    /// mount(2) with `MS_REMOUNT` or `MS_PRIVATE`, or mount_setattr(2): flags of a mount
    ChangeMount,
    /// pivot_root(2)
    PivotRoot,
    /// umount2(2)
    Unmount,

    /// socket(2) with `AF_NETLINK`
    OpenNetlink,
    /// a request to rtnetlink(7) for a pair of veth(4)
    AddVeth,
    /// every other request to rtnetlink(7): a link set up, an address, a route
    ConfigureNetwork,
    /// the address that `--ip` names is in use (no system call)
    TakeAddress,
    /// the search for a subnet that is not in use (no system call)
    FindSubnet,
    /// bind(2) and listen(2) on a port
    Listen,
    /// connect(2) to a port
    Connect,

    /// the search for the hierarchy of a controller (no system call)
    FindController,
    /// the search for a group below which ours can be created (no system call)
    FindGroup,
    /// mkdir(2) of a control group
    CreateGroup,
    /// write(2) to `cgroup.subtree_control`
    EnableController,
    /// write(2) to `cpu.cfs_quota_us`: [`Operation::limit`]
    SetCpuQuota,
    /// write(2) to another file with a limit
    SetLimit,
    /// write(2) to `cgroup.procs` or `tasks`
    JoinGroup,
    /// mmap(2) of memory to fill
    AllocateMemory,

    /// keyctl(2) with `KEYCTL_JOIN_SESSION_KEYRING`
    JoinKeyring,
    /// seccomp(2) with `SECCOMP_SET_MODE_FILTER`
    LoadFilter,
    /// seccomp(2) with `SECCOMP_SET_MODE_STRICT`
    EnterStrictMode,
    /// open_tree(2) of the SRC of `--volume`
    OpenVolume,
    /// chdir(2) to the working directory of the payload
    ChangeDirectory,
    /// the search for a running container (no system call)
    FindContainer,
    /// open(2) of what /proc/PID shows of a container, or setns(2)
    JoinContainer,
    /// the search for a terminal among the standard files (no system call)
    FindTerminal,
    /// ioctl(2) with `TIOCSTI`
    TypeOnTerminal,

    /// mkdir(2), open(2) or write(2) of what a tree is built from, or is built in
    BuildTree,
    /// linkat(2) or symlinkat(2) in a tree
    CreateLink,
}

impl Operation {
    /// Creating the namespaces in `flags`.
    pub const fn namespaces(flags: CloneFlags) -> Operation {
        if flags.contains(CloneFlags::CLONE_NEWUSER) {
            return Operation::CreateUserNamespace;
        }
        let none = flags.bits() & NAMESPACES.bits() == 0;
        if none { Operation::Fork } else { Operation::CreateNamespaces }
    }

    /// Mounting a new filesystem of this type.
    pub fn mount(filesystem: &str) -> Operation {
        match filesystem {
            "proc" => Operation::MountProc,
            "sysfs" => Operation::MountSysfs,
            _ => Operation::Mount,
        }
    }

    /// Writing a limit to this file of a control group.
    pub fn limit(file: &str) -> Operation {
        if file == "cpu.cfs_quota_us" { Operation::SetCpuQuota } else { Operation::SetLimit }
    }
}

const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWCGROUP)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::from_bits_retain(libc::CLONE_NEWTIME));

/// The context of an error: an operation, and the words that say on what it was tried.
#[derive(Debug)]
struct Attempt {
    operation: Operation,
    words: String,
}

impl Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Adds to a result what was tried.
pub trait Tried<T, E> {
    /// Adds `words` as [`Context::context`] does. The table of hints finds its rows by `operation`,
    /// whatever the words are.
    ///
    /// # Errors
    /// The error of `self`, in this context.
    fn tried(self, operation: Operation, words: impl Display) -> Result<T>;
}

impl<T, E, R: Context<T, E>> Tried<T, E> for R {
    fn tried(self, operation: Operation, words: impl Display) -> Result<T> {
        self.with_context(|| Attempt { operation, words: words.to_string() })
    }
}

/// Returns the operation that failed, where one was named: by the outermost [`Tried`], else by a
/// [`Failure`].
pub(crate) fn operation(error: &Error) -> Option<Operation> {
    let attempt = error.downcast_ref::<Attempt>().map(|attempt| attempt.operation);
    attempt.or_else(|| failure(error)?.operation)
}

/// Returns the file that was tried, where a [`Failure`] names it.
pub(crate) fn subject(error: &Error) -> Option<&Path> {
    failure(error)?.file.as_deref()
}

/// Returns the failure that an error is, in whatever context.
pub(crate) fn failure(error: &Error) -> Option<&Failure> {
    error.chain().find_map(|cause| cause.downcast_ref())
}
