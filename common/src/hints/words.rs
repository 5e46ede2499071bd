//! The operations of errors that do not name theirs yet, guessed from their words.

use crate::Operation::{self, *};

/// The first words that an error contains decide.
const WORDS: &[(&str, Operation)] = &[
    ("chroot ", Chroot),
    ("root filesystem ", OpenRootfs),
    ("mount point /", OpenMountPoint),
    ("CLONE_NEWUSER", CreateUserNamespace),
    ("unshare CLONE_", CreateNamespaces),
    ("clone3 ", CreateNamespaces),
    ("clone ", CreateNamespaces),
    ("clone", Fork),
    ("fork", Fork),
    ("sethostname ", SetHostname),
    ("msgget ", OpenQueue),
    ("mq_open ", OpenQueue),
    ("mq_unlink ", OpenQueue),
    ("msgsnd ", SendMessage),
    ("mq_send ", SendMessage),
    ("msgrcv ", ReceiveMessage),
    ("mq_receive ", ReceiveMessage),
    ("write /proc/self/", WriteIdMap),
    ("newuidmap and newgidmap refused", RunNewuidmap),
    ("setresuid ", SetIds),
    ("setresgid ", SetIds),
    ("setgroups", SetIds),
    ("fchown ", ChangeOwner),
    ("idmapped mount of ", IdmapMount),
    ("hide ", Bind),
    ("bind ", Bind),
    ("restrict ", ChangeMount),
    ("socket NETLINK_", OpenNetlink),
    ("socket AF_NETLINK", OpenNetlink),
    ("add veth ", AddVeth),
    ("set lo up", ConfigureNetwork),
    ("is already in use here", TakeAddress),
    ("no subnet is free", FindSubnet),
    ("listen on ", Listen),
    ("connect to ", Connect),
    ("cgroup: no hierarchy with the ", FindController),
    ("no group from here up", FindGroup),
    ("cgroup.subtree_control", EnableController),
    ("cpu.cfs_quota_us", SetCpuQuota),
    ("enter cgroup ", JoinGroup),
    ("enter /sys/fs/cgroup", JoinGroup),
    ("mkdir /sys/fs/cgroup", CreateGroup),
    ("allocate beyond ", AllocateMemory),
    ("keyctl ", JoinKeyring),
    ("seccomp SECCOMP_SET_MODE_FILTER", LoadFilter),
    ("seccomp SECCOMP_SET_MODE_STRICT", EnterStrictMode),
    ("mount /", OpenVolume),
    ("chdir /", ChangeDirectory),
    ("Permission Denied: /proc/", JoinContainer),
    ("no container ", FindContainer),
    ("no terminal to type on", FindTerminal),
    ("ioctl TIOCSTI", TypeOnTerminal),
    ("link /", CreateLink),
    ("in the tree", BuildTree),
    ("make directory ", BuildTree),
    (".lock", BuildTree),
];

pub fn operation(text: &str) -> Option<Operation> {
    WORDS.iter().find(|(words, _)| text.contains(words)).map(|&(_, operation)| operation)
}

/// The answer of an error of the crate procfs, which has no errno.
pub fn answer(text: &str) -> Option<nix::errno::Errno> {
    text.contains("Permission Denied: /proc/").then_some(nix::errno::Errno::EACCES)
}
