//! The launcher's own program. When it ends, the container could write to its file through
//! /proc/PID/exe (CVE-2019-5736). So it is executed again from a read-only clone of its mount:
//! there even a descriptor that somebody keeps answers EROFS.
//!
//! Only where it is needed: when an id inside owns the file, or may write to it.

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::fcntl::AtFlags;
use nix::sched::{CloneFlags, clone};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{execveat, geteuid};
use rustix::fs::{CWD, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat};
use user::{IdMap, Ids};

use crate::mount_setattr;

/// The program of this process, also where nothing has its name any more (proc_pid_exe(5)).
const OWN: &str = "/proc/self/exe";

/// Executes this program again from where it cannot be written to, if `ids` could write to its
/// file. Returns in the second run, or where none is needed.
///
/// Comes first, because nothing that was done before outlives it.
pub fn seal(ids: &Ids) -> Result<()> {
    let program = File::open(OWN).with_context(|| format!("open {OWN}"))?;
    if is_sealed(&program) {
        // Of our children, only the one that made the clone ends without a signal.
        let _ = waitpid(None, Some(WaitPidFlag::__WCLONE));
        return set_name();
    }
    if !may_write(ids, &program)? {
        return Ok(());
    }
    let sealed = read_only_clone(&program).or_else(|_| sealed_copy(&program))?;
    match execute(&sealed)? {}
}

/// The kernel has named the second run after the number of a descriptor.
fn set_name() -> Result<()> {
    let path = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_owned();
    prctl::set_name(&CString::new(name.into_vec())?).context("prctl PR_SET_NAME")
}

fn is_sealed(program: &File) -> bool {
    fstatvfs(program).is_ok_and(|it| it.flags().contains(FsFlags::ST_RDONLY))
        || fcntl_get_seals(program).is_ok_and(|seals| seals.contains(SealFlags::WRITE))
}

/// Whether an id inside owns the program, or has the permission to write to it.
fn may_write(ids: &Ids, program: &File) -> Result<bool> {
    let file = program.metadata().with_context(|| format!("stat {OWN}"))?;
    let has = |maps: &[IdMap], id| {
        maps.iter().any(|map| (map.outside..map.outside + map.count).contains(&id))
    };
    let by_group = file.mode() & 0o020 != 0 && has(&ids.gids, file.gid());
    Ok(has(&ids.uids, file.uid()) || by_group || file.mode() & 0o002 != 0)
}

/// A clone of the mount, through which the program can only be read. A user who may not mount asks
/// a child that may, in namespaces of its own.
fn read_only_clone(program: &File) -> Result<OwnedFd> {
    let path = fs::read_link(OWN)?;
    let clone = if geteuid().is_root() { clone_of(&path)? } else { clone_by_child(&path)? };
    let (ours, found) = (program.metadata()?, fstat(&clone)?);
    ensure!((ours.dev(), ours.ino()) == (found.st_dev, found.st_ino), "another file has its name");
    Ok(clone)
}

fn clone_of(path: &Path) -> Result<OwnedFd> {
    let clone = mnt::copy_mount(CWD, path)?;
    mount_setattr::set(&clone, libc::MOUNT_ATTR_RDONLY)?;
    Ok(clone)
}

/// The child lives in our memory, in the manner of vfork(2), and in our table of descriptors: what
/// it opens is open here. It is collected by the second run, when the kernel has cleared it away.
fn clone_by_child(path: &Path) -> Result<OwnedFd> {
    let mut made = None;
    let child = || {
        made = clone_of(path).ok(); // without a clone there is a copy
        0
    };
    let shared = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK | CloneFlags::CLONE_FILES;
    let own = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    // SAFETY: the child has a stack of its own, leaves our memory in order, and ends without coming
    // back to us.
    unsafe { clone(Box::new(child), &mut vec![0; 1 << 20], shared | own, None) }
        .context("clone")?;
    made.context("no clone")
}

/// For kernels that clone no mounts, and for programs that have no name any more.
fn sealed_copy(mut program: &File) -> Result<OwnedFd> {
    let copy = memfd_create(c"program", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(copy);
    io::copy(&mut program, &mut file).context("copy this program to memory")?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).context("seal the copy of this program")?;
    Ok(file.into())
}

fn execute(program: &OwnedFd) -> Result<Infallible> {
    let c_string = |word: OsString| CString::new(word.into_vec());
    let variable = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        c_string(name)
    };
    let arguments = env::args_os().map(c_string).collect::<Result<Vec<_>, _>>()?;
    let environment = env::vars_os().chain(common::status_variable());
    let environment = environment.map(variable).collect::<Result<Vec<_>, _>>()?;
    execveat(program, c"", &arguments, &environment, AtFlags::AT_EMPTY_PATH)
        .context("execute this program again")
}
