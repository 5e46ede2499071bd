//! A stand-in for the machine: a process in namespaces of its own, in which the steps are started.

use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, getegid, geteuid, setgroups, setresgid, setresuid};
use tempfile::TempDir;

use crate::places;
use crate::process::Process;

/// The ids of the ordinary user that root's tests become: no account has them.
pub const ORDINARY_USER: u32 = 54321;

/// Where a stand-in has this workspace's target directory, so that everybody can reach it.
const TARGET: &str = "/mnt";

/// Who starts a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The machine's root.
    Root,
    /// An ordinary user. Steps 01 to 04 ask for root: there the user is root of a host in a user
    /// namespace.
    User,
}

/// The host of an experiment. It goes when this value does, with all that was mounted and named
/// there.
pub struct Host {
    /// Who starts the steps there.
    pub identity: Identity,
    plan: Plan,
    keeper: Keeper,
    scratch: TempDir,
}

/// What a host is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Names, queues, links and mounts are its own, and its mounts are private.
    Private,
    /// Its mounts propagate to each other, as systemd sets it up (mount_namespaces(7)).
    SharedMounts,
    /// The same, with the names, queues and links of the machine itself: to see what is left on it.
    MachinesNetwork,
}

/// What a host consists of.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// The machine's root makes it: it has a mount table of its own, with the target directory on
    /// [`TARGET`].
    by_root: bool,
    /// It belongs to a user namespace, in which `user` is root.
    user_namespace: bool,
    /// What it has of its own besides mounts.
    own: CloneFlags,
    /// Its mounts propagate to each other, as systemd sets it up (mount_namespaces(7)).
    shared_mounts: bool,
    /// The ids outside of who starts the steps there.
    user: (u32, u32),
}

/// The process whose namespaces are the host's: a `cat` that ends with us, as its input does.
struct Keeper {
    child: Child,
    pidfd: OwnedFd,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Host {
    /// A host for `identity`; in a user namespace of its own if whoever starts something there is
    /// to be `root`.
    pub(crate) fn new(identity: Identity, root: bool, setting: Setting) -> Result<Self> {
        let by_root = geteuid().is_root();
        let user = match (by_root, identity) {
            (true, Identity::User) => (ORDINARY_USER, ORDINARY_USER),
            _ => (geteuid().as_raw(), getegid().as_raw()),
        };
        let shared_mounts = setting != Setting::Private;
        let user_namespace =
            identity == Identity::User && (root || (setting == Setting::SharedMounts && !by_root));
        let own = match setting {
            Setting::MachinesNetwork => CloneFlags::empty(),
            _ if by_root || user_namespace => {
                CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNET
            }
            _ => CloneFlags::empty(),
        };
        let plan = Plan { by_root, user_namespace, own, shared_mounts, user };
        let keeper = Keeper::start(plan)?;
        let directory = places::target()?.join("tmp");
        fs::create_dir_all(&directory).with_context(|| format!("mkdir {}", directory.display()))?;
        if by_root {
            let owner = fs::metadata(places::target()?).context("stat target")?; // who built it will come without sudo
            chown(&directory, Some(owner.uid()), Some(owner.gid())).context("chown target/tmp")?;
        }
        let scratch =
            tempfile::Builder::new().prefix("host").tempdir_in(directory).context("mkdtemp")?;
        let host = Host { identity, plan, keeper, scratch };
        host.give(host.scratch.path())?;
        Ok(host)
    }

    /// The process that stands for the host.
    pub fn process(&self) -> Process {
        Process { pid: self.keeper.child.id() as i32 }
    }

    /// Which namespace of this kind is the host's.
    pub fn ns(&self, kind: &str) -> Result<String> {
        self.process().ns(kind)
    }

    /// What was mounted and unmounted on this host since its mountinfo was `before`: empty if
    /// nothing was.
    pub fn mount_changes(&self, before: &str) -> Result<Vec<String>> {
        let now = self.process().file("mountinfo")?;
        let not_in = |text: &str, sign: char, other: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !other.lines().any(|it| it == *line));
            lines.map(|line| format!("{sign} {line}")).collect()
        };
        Ok([not_in(before, '-', &now), not_in(&now, '+', before)].concat())
    }

    /// The ids, on the machine, of who starts the steps here.
    pub fn user(&self) -> (u32, u32) {
        self.plan.user
    }

    /// Whether who starts the steps here is root here, perhaps of a user namespace only.
    pub fn is_root(&self) -> bool {
        self.plan.user_namespace || self.plan.user.0 == 0
    }

    /// The id, on the machine, of this host's root: 0 unless the host belongs to a user namespace.
    pub fn root_id(&self) -> u32 {
        if self.plan.user_namespace { self.plan.user.0 } else { 0 }
    }

    /// Where programs of the user keep what lasts as long as they do (XDG_RUNTIME_DIR).
    pub(crate) fn runtime_directory(&self) -> Result<PathBuf> {
        Ok(self.place(self.scratch.path())?.there)
    }

    /// A new directory outside every rootfs, of who starts the steps here.
    pub fn directory(&self) -> Result<Scratch> {
        let here = tempfile::Builder::new()
            .prefix("d")
            .tempdir_in(&self.scratch)
            .context("mkdtemp")?
            .keep();
        self.give(&here)?;
        self.place(&here)
    }

    /// A copy of the rootfs that may be written to, of who starts the steps here. Its files are
    /// links to the originals: replace them, but do not write into them.
    pub fn copy_of_rootfs(&self) -> Result<Scratch> {
        let copy = self.directory()?;
        self.copy_tree(&places::rootfs()?, &copy.here)?;
        Ok(copy)
    }

    /// Such a copy with the program `probe` of this crate in /bin: it makes one system call, and
    /// its exit code is the errno.
    pub fn rootfs_with_probe(&self) -> Result<Scratch> {
        self.rootfs_with("probe")
    }

    /// Such a copy with a program of this workspace in /bin.
    pub fn rootfs_with(&self, name: &str) -> Result<Scratch> {
        let copy = self.copy_of_rootfs()?;
        let program = places::binary(name)?;
        for library in places::libraries(&program)? {
            copy_new(&library, &copy.here.join(library.strip_prefix("/")?))?;
        }
        copy_new(&program, &copy.here.join("bin").join(name))?;
        Ok(copy)
    }

    /// The program `probe`, to be run on the host itself.
    pub fn probe(&self) -> Result<Scratch> {
        self.place(&places::binary("probe")?)
    }

    /// The rootfs that all experiments share: only to be read.
    pub fn rootfs(&self) -> Result<Scratch> {
        self.place(&places::rootfs()?)
    }

    fn copy_tree(&self, from: &Path, to: &Path) -> Result<()> {
        for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
            let entry = entry?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type()?.is_dir() {
                fs::create_dir(&target).with_context(|| format!("mkdir {}", target.display()))?;
                self.give(&target)?;
                self.copy_tree(&source, &target)?;
            } else if let Ok(link) = fs::read_link(&source) {
                symlink(link, &target).with_context(|| format!("symlink {}", target.display()))?;
            } else if fs::hard_link(&source, &target).is_err() {
                copy_new(&source, &target)?; // another file system, or another's file (proc(5), protected_hardlinks)
            }
        }
        Ok(())
    }

    /// Makes `path` belong to who starts the steps here, and open to all.
    pub fn give(&self, path: &Path) -> Result<()> {
        let (uid, gid) = self.user();
        chown(path, Some(uid), Some(gid)).with_context(|| format!("chown {}", path.display()))?;
        fs::set_permissions(path, Permissions::from_mode(0o755))
            .with_context(|| format!("chmod {}", path.display()))
    }

    /// Both paths of something in the target directory: ours and the host's.
    pub(crate) fn place(&self, here: &Path) -> Result<Scratch> {
        let there = match self.plan.by_root {
            true => Path::new(TARGET)
                .join(here.strip_prefix(places::target()?).context("outside target")?),
            false => here.to_owned(),
        };
        Ok(Scratch { here: here.to_owned(), there })
    }

    /// A command line as one would type it in the workspace.
    pub(crate) fn as_typed(&self, command: &str) -> String {
        let target = self
            .place(&places::target().unwrap_or_default())
            .map(|target| target.there)
            .unwrap_or_default();
        command.replace(target.display().to_string().trim_end_matches('/'), "target")
    }

    /// Lets `command` run on this host, in `directory`, as who starts the steps here.
    pub(crate) fn enter(
        &self,
        command: &mut Command,
        directory: &Path,
        groups: &[u32],
    ) -> Result<()> {
        let plan = self.plan;
        let directory = CString::new(directory.as_os_str().as_bytes())?;
        let pidfd = self.keeper.pidfd.try_clone().context("dup")?;
        let groups: Vec<Gid> = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        // SAFETY: the closure runs in a child with one thread and only makes system calls.
        unsafe {
            command
                .pre_exec(move || plan.join(&pidfd, &directory, &groups).map_err(io::Error::from))
        };
        Ok(())
    }
}

fn copy_new(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let directory = to.parent().context("no directory")?;
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    let _guard = places::no_fork();
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
}

/// A file or directory in the target directory, which a stand-in has somewhere else.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// Its path for the test.
    pub here: PathBuf,
    /// Its path on the host.
    pub there: PathBuf,
}

impl Scratch {
    /// Something in this directory.
    pub fn join(&self, name: &str) -> Scratch {
        Scratch { here: self.here.join(name), there: self.there.join(name) }
    }

    /// The path on the host as an argument.
    pub fn arg(&self) -> &str {
        self.there.to_str().expect("temporary paths are plain text")
    }

    /// Writes a file here.
    pub fn write(&self, content: impl AsRef<[u8]>) -> Result<()> {
        let _guard = places::no_fork(); // it may be a program
        fs::write(&self.here, content).with_context(|| format!("write {}", self.here.display()))
    }
}

impl Keeper {
    fn start(plan: Plan) -> Result<Self> {
        let target = CString::new(places::target()?.as_os_str().as_bytes())?;
        let map = |id: u32| format!("0 {id} 1\n");
        let maps = [map(plan.user.0), map(plan.user.1)];
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).current_dir("/");
        // SAFETY: the closure runs in a child with one thread and only makes system calls.
        unsafe { command.pre_exec(move || plan.make(&target, &maps)) };
        let _guard = places::no_fork();
        let child = command.spawn().with_context(|| format!("make a host: {plan:?}"))?;
        let pidfd = pidfd_open(child.id())?;
        Ok(Keeper { child, pidfd })
    }
}

impl Plan {
    /// Turns this process into the host. Runs between fork and exec: no allocation, only system
    /// calls.
    fn make(self, target: &CStr, maps: &[String; 2]) -> io::Result<()> {
        if self.by_root {
            unshare(CloneFlags::CLONE_NEWNS)?;
            propagate(MsFlags::MS_PRIVATE)?;
            mount(
                Some(target),
                TARGET,
                None::<&str>,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                None::<&str>,
            )?;
        }
        if self.by_root && !self.own.is_empty() {
            // What programs of root keep in /run, such as names, is the host's own as well.
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(Some("tmpfs"), "/run", Some("tmpfs"), flags, Some("mode=755"))?;
        }
        if self.user_namespace {
            self.make_user_namespace(maps)?;
        }
        if !self.own.is_empty() {
            unshare(self.own)?;
            loopback_up()?;
        }
        if self.shared_mounts && self.has_mounts() {
            propagate(MsFlags::MS_SHARED)?;
        }
        Ok(())
    }

    fn make_user_namespace(self, maps: &[String; 2]) -> io::Result<()> {
        if self.by_root {
            setgroups(&[])?;
            set_ids(self.user)?;
            prctl::set_dumpable(true)?; // the change of ids gave our files in /proc to root (proc(5))
        }
        unshare(CloneFlags::CLONE_NEWUSER)?;
        put(c"/proc/self/setgroups", "deny")?;
        put(c"/proc/self/uid_map", &maps[0])?;
        put(c"/proc/self/gid_map", &maps[1])?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        propagate(MsFlags::MS_PRIVATE)
    }

    /// Moves this process to the host, and makes it the user who starts the steps there.
    fn join(self, host: &OwnedFd, directory: &CStr, groups: &[Gid]) -> nix::Result<()> {
        if self.by_root {
            setgroups(groups)?; // while it is allowed: not in a user namespace with one id
        }
        if self.has_mounts() {
            setns(host, self.namespaces())?;
        }
        if self.user_namespace {
            set_ids((0, 0))?;
        } else if self.by_root {
            set_ids(self.user)?;
        }
        nix::unistd::chdir(directory)
    }

    fn has_mounts(self) -> bool {
        self.by_root || self.user_namespace
    }

    fn namespaces(self) -> CloneFlags {
        let common = self.own | CloneFlags::CLONE_NEWNS;
        if self.user_namespace { common | CloneFlags::CLONE_NEWUSER } else { common }
    }
}

fn set_ids((uid, gid): (u32, u32)) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

fn propagate(how: MsFlags) -> io::Result<()> {
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | how, None::<&str>)?)
}

fn put(file: &CStr, content: &str) -> io::Result<()> {
    let fd =
        nix::fcntl::open(file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())?;
    fs::File::from(fd).write_all(content.as_bytes())
}

/// A new network namespace has a loopback device, and it is down (network_namespaces(7)).
fn loopback_up() -> io::Result<()> {
    let any = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: all of ifreq's fields are integers or unions of such, for which 0 is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which outlives the call (netdevice(7)).
    Errno::result(unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })?;
    Ok(())
}

/// A handle on a process that never comes to mean another (pidfd_open(2)).
pub(crate) fn pidfd_open(pid: u32) -> Result<OwnedFd> {
    // SAFETY: takes two integers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
        .context("pidfd_open")?;
    // SAFETY: the call returned a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
