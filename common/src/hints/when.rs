//! What a machine can show of the cause of an error.

use std::ffi::OsStr;
use std::io::{self, stderr};
use std::iter;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::utsname::uname;
use nix::unistd::{dup, geteuid};

use crate::machine::{mount_table, read, status};

/// A condition under which a row of the table applies.
#[derive(Clone, Copy)]
pub struct When {
    holds: fn(&Path) -> bool,
    /// How a reader can see it.
    pub shown: &'static str,
}

impl When {
    /// Whether this machine shows it, of `subject` where it concerns the file that was tried.
    pub fn holds(&self, subject: &Path) -> bool {
        (self.holds)(subject)
    }
}

const fn when(holds: fn(&Path) -> bool, shown: &'static str) -> When {
    When { holds, shown }
}

pub const NOT_ROOT: When = when(|_| !geteuid().is_root(), "`id -u` is not 0");
pub const NO_CHROOT_RIGHT: When =
    when(|_| lacks(CAP_SYS_CHROOT), "`capsh --has-p=cap_sys_chroot` fails");
pub const NO_ADMIN_RIGHT: When =
    when(|_| lacks(CAP_SYS_ADMIN), "`capsh --has-p=cap_sys_admin` fails");
pub const NO_PORT_RIGHT: When =
    when(|_| lacks(CAP_NET_BIND_SERVICE), "`capsh --has-p=cap_net_bind_service` fails");
pub const UNPRIVILEGED: When = when(
    |_| lacks(CAP_SYS_ADMIN) || !in_first_user_namespace(),
    "`capsh --has-p=cap_sys_admin` fails, or you are in a user namespace",
);
pub const UNMAPPED: When =
    when(|_| reads("/proc/self/uid_map", ""), "`/proc/self/uid_map` is empty");
pub const CHROOTED: When = when(
    |_| root_is_no_mount() || root_is_elsewhere(),
    "`findmnt /` shows nothing, or outside shows its mount elsewhere",
);
pub const FOREIGN_PROC: When = when(
    |_| is_procfs("/proc") && numbers_of_this_process() != Some(1),
    "`grep NSpid: /proc/self/status` shows not one number",
);

pub const FILTERED: When = when(
    |_| status("self", "Seccomp").is_some_and(|mode| mode == "2"),
    "`grep Seccomp: /proc/self/status` shows 2",
);
pub const NO_NEW_PRIVS: When = when(
    |_| prctl::get_no_new_privs().unwrap_or(false),
    "`grep NoNewPrivs /proc/self/status` shows 1",
);
pub const TRACED: When = when(
    |_| status("self", "TracerPid").is_some_and(|tracer| tracer != "0" && is_weak(&tracer)),
    "`grep TracerPid /proc/self/status` names a process that is not root's",
);
pub const NO_SET_USER_ID: When = when(
    |_| ["newuidmap", "newgidmap"].iter().any(|program| !gives_rights(program)),
    "`ls -l $(which newuidmap newgidmap)` shows no s, and `getcap` nothing",
);
pub const APPARMOR: When = when(
    |_| reads("/sys/module/apparmor/parameters/enabled", "Y"),
    "`cat /sys/module/apparmor/parameters/enabled` shows Y",
);
pub const APPARMOR_USERNS: When = when(
    |_| reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    "`sysctl kernel.apparmor_restrict_unprivileged_userns` shows 1",
);
pub const SELINUX: When =
    when(|_| reads("/sys/fs/selinux/enforce", "1"), "`getenforce` shows Enforcing");

pub const USERNS_OFF: When = when(
    |_| reads("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    "`sysctl kernel.unprivileged_userns_clone` shows 0",
);
pub const NO_USERNS_LEFT: When = when(
    |_| reads("/proc/sys/user/max_user_namespaces", "0"),
    "`sysctl user.max_user_namespaces` shows 0",
);
pub const NO_USERNS_BUILT: When =
    when(|_| lacks_namespaces(&["user"]), "there is a `/proc/self/ns`, and no `user` in it");
pub const NAMESPACE_NOT_BUILT: When = when(
    |_| lacks_namespaces(&["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]),
    "`ls /proc/self/ns` does not show cgroup, ipc, mnt, net, pid, user and uts",
);
pub const NO_FILTERS_BUILT: When =
    when(|_| !knows_filters(), "`grep Seccomp_filters /proc/self/status` shows nothing");
pub const WSL_1: When = when(
    // WSL 2, a real Linux, has `-microsoft-standard-WSL2`.
    |_| read("/proc/sys/kernel/osrelease").is_some_and(|release| release.contains("-Microsoft")),
    "`uname -r` ends in `-Microsoft`",
);
pub const BEFORE_5_10: When = when(|_| kernel_before((5, 10)), "`uname -r` is below 5.10");
pub const BEFORE_5_11: When = when(|_| kernel_before((5, 11)), "`uname -r` is below 5.11");
pub const BEFORE_5_12: When = when(|_| kernel_before((5, 12)), "`uname -r` is below 5.12");
pub const BEFORE_5_19: When = when(|_| kernel_before((5, 19)), "`uname -r` is below 5.19");

pub const PROC_COVERED: When = when(
    |_| covered("/proc", &["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd"]),
    "`findmnt -R /proc` shows a mount below it",
);
pub const SYS_COVERED: When = when(
    |_| covered("/sys", MOUNT_POINTS_OF_SYSFS),
    "`findmnt -R /sys` shows a mount that the system did not make",
);
pub const CGROUP_READ_ONLY: When = when(
    |_| {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .iter()
            .any(|tree| has(tree.as_ref(), FsFlags::ST_RDONLY))
    },
    "`findmnt -t cgroup2` shows ro",
);
pub const CGROUP_V2: When = when(
    |_| Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
    "there is `/sys/fs/cgroup/cgroup.controllers`",
);
pub const TYPING_OFF: When = when(
    |_| reads("/proc/sys/dev/tty/legacy_tiocsti", "0"),
    "`sysctl dev.tty.legacy_tiocsti` shows 0",
);
pub const DESCRIPTORS_LEFT: When =
    when(|_| dup(stderr()).is_ok(), "`ls /proc/self/fd` is far below `ulimit -n`");

pub const ON_NOEXEC: When =
    when(|file| has(file, FsFlags::ST_NOEXEC), "`findmnt -T ROOTFS -o OPTIONS` shows noexec");
pub const IS_DIRECTORY: When = when(Path::is_dir, "`ls -ld FILE` begins with d");
pub const IS_SPECIAL: When = when(
    |file| {
        let kind = file.metadata().map(|file| file.file_type());
        kind.is_ok_and(|kind| {
            kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()
        })
    },
    "`ls -lL FILE` begins with p, s, c or b",
);
pub const WITHOUT_X: When = when(
    |file| file.metadata().is_ok_and(|file| file.permissions().mode() & 0o111 == 0),
    "`ls -lL FILE` shows no x",
);
pub const DANGLING: When = when(
    |file| {
        let missing = file.metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        missing && file.is_symlink()
    },
    "`readlink FILE` shows something that does not exist",
);

/// linux/capability.h
const CAP_NET_BIND_SERVICE: u32 = 10;
const CAP_SYS_CHROOT: u32 = 18;
const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;

/// Directories of sysfs that exist to be mounted on: what covers them covers nothing.
const MOUNT_POINTS_OF_SYSFS: &[&str] = &[
    "/sys/fs/cgroup",
    "/sys/fs/bpf",
    "/sys/fs/fuse/connections",
    "/sys/fs/pstore",
    "/sys/fs/resctrl",
    "/sys/fs/selinux",
    "/sys/fs/smackfs",
    "/sys/firmware/efi/efivars",
    "/sys/hypervisor",
    "/sys/kernel/config",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
];

fn reads(file: &str, value: &str) -> bool {
    read(file).is_some_and(|content| content.trim() == value)
}

fn lacks(capability: u32) -> bool {
    capabilities("self").is_some_and(|set| set & 1 << capability == 0)
}

fn capabilities(pid: &str) -> Option<u64> {
    u64::from_str_radix(&status(pid, "CapEff")?, 16).ok()
}

/// Whether a tracer has not the right to let what it traces gain rights (ptrace(2)).
fn is_weak(tracer: &str) -> bool {
    capabilities(tracer).is_some_and(|set| set & 1 << CAP_SYS_PTRACE == 0)
}

/// The first user namespace maps all ids to themselves.
fn in_first_user_namespace() -> bool {
    let map = read("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// The process has one number in each PID namespace from that of /proc down to its own.
fn numbers_of_this_process() -> Option<usize> {
    status("self", "NSpid").map(|numbers| numbers.split_whitespace().count())
}

fn is_procfs(path: &str) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == PROC_SUPER_MAGIC)
}

fn lacks_namespaces(kinds: &[&str]) -> bool {
    let directory = Path::new("/proc/self/ns");
    directory.is_dir() && kinds.iter().any(|kind| directory.join(kind).symlink_metadata().is_err())
}

/// Whether executing this program would give rights: by the set-user-ID bit, or by capabilities of
/// the file.
fn gives_rights(program: &str) -> bool {
    let Ok(file) = which::which(program) else { return true };
    let bit = file.metadata().is_ok_and(|file| file.permissions().mode() & 0o4000 != 0);
    let capable = rustix::fs::getxattr(&file, c"security.capability", &mut [0u8; 64]).is_ok();
    (bit || capable) && !has(&file, FsFlags::ST_NOSUID)
}

fn has(file: &Path, flag: FsFlags) -> bool {
    statvfs(file).is_ok_and(|filesystem| filesystem.flags().contains(flag))
}

fn kernel_before(version: (u32, u32)) -> bool {
    let number = |text: &OsStr| {
        let mut numbers = text.to_str()?.split(|char: char| !char.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    let running = uname().ok().and_then(|names| number(names.release()));
    running.is_some_and(|running: (u32, u32)| running < version)
}

/// Asks for an action that each kernel with filters knows (seccomp(2)).
fn knows_filters() -> bool {
    const SECCOMP_GET_ACTION_AVAIL: libc::c_uint = 2;
    let action = libc::SECCOMP_RET_ALLOW;
    // SAFETY: the kernel reads one number.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    Errno::result(result).is_ok()
}

/// A mount, of a line of the mount table: its 1st field is the number, the 5th the mount point.
fn mounts(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, fields.nth(3)?))
    })
}

/// Whether something is mounted below `top` where the kernel had something to show.
fn covered(top: &str, empty: &[&str]) -> bool {
    let table = mount_table("self").unwrap_or_default();
    mounts(&table).any(|(_, point)| {
        let below = Path::new(point).starts_with(top) && point != top;
        below && !empty.iter().any(|empty| Path::new(point).starts_with(empty))
    })
}

/// Whether a directory became `/` by chroot(2): the root of a mount namespace is a mount.
fn root_is_no_mount() -> bool {
    mount_table("self").is_some_and(|table| mounts(&table).all(|(_, point)| point != "/"))
}

/// Whether the mount that is this process's root has another place for a process that started this
/// one, or for process 1: those have another root in the same mount namespace.
fn root_is_elsewhere() -> bool {
    let own = mount_table("self").unwrap_or_default();
    let Some((root, _)) = mounts(&own).filter(|(_, point)| *point == "/").last() else {
        return false;
    };
    let parent = |pid: &String| status(pid, "PPid").filter(|parent| parent != "0");
    let ancestors = iter::successors(parent(&"self".into()), parent).take(64);
    ancestors.chain(["1".into()]).any(|pid| {
        let table = mount_table(&pid).unwrap_or_default();
        mounts(&table).any(|(number, point)| number == root && point != "/")
    })
}
