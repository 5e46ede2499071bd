//! What the kernel must have for an experiment. It is asked, where programs can ask it; an experiment
//! on a kernel without is skipped.

use std::fs;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use crate::evidence::skip;
use crate::host::Identity;
use crate::launch::Step;

impl Step {
    /// What is root's on the disk becomes the container's root's by mount_setattr(2), which came with
    /// Linux 5.12.
    ///
    /// # Errors
    /// To skip the experiment.
    pub fn needs_idmapped_mounts(&self) -> Result<()> {
        // SAFETY: the descriptor does not exist, so no structure is read.
        let answer = unsafe {
            libc::syscall(libc::SYS_mount_setattr, -1, c"".as_ptr(), 0, std::ptr::null::<u8>(), 0)
        };
        if self.identity == Identity::Root && Errno::result(answer) == Err(Errno::ENOSYS) {
            return skip("this kernel has no idmapped mounts");
        }
        Ok(())
    }

    /// Has the kernel mount an overlay as a container's root would. Root's layers are idmapped
    /// besides, which the programs at hand cannot ask for. Step 09 makes layers in /var/tmp; in most
    /// containers that lies on an overlay, on which the kernel takes no layer of another one (its
    /// Documentation/filesystems/overlayfs.rst).
    ///
    /// # Errors
    /// To skip the experiment.
    pub fn needs_overlay(&self) -> Result<()> {
        let script = "mount -t tmpfs none /mnt; cd /mnt; mkdir upper work lower all
            mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work none all";
        let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script];
        if self.on_host().attempt(&words)?.code() != 0 {
            return skip("this kernel mounts no overlay in a user namespace (Linux 5.11)");
        }
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
        let mut numbers = release.split(|char: char| !char.is_ascii_digit()).map(str::parse::<u32>);
        let version = (numbers.next().context("a number")??, numbers.next().context("another")??);
        if self.identity == Identity::Root && version < (5, 19) {
            return skip("this kernel mounts no overlay of idmapped layers (Linux 5.19)");
        }
        match statfs("/var/tmp").context("statfs /var/tmp")?.filesystem_type() {
            OVERLAYFS_SUPER_MAGIC => skip("/var/tmp lies on an overlay, so it can have no layers"),
            _ => Ok(()),
        }
    }
}
