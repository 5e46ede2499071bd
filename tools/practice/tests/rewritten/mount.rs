//! Chapter 06 as a learner may write it in another way than the course. The devices are taken
//! before anything hides them, mount(2) takes the place of fsmount(2), and the old root gets a
//! directory, from which it is unmounted.

pub fn mount_dev(root: &Root) -> Result<()> {
    // First everything that is taken from the host, while nothing hides it.
    let devices = ["null", "zero", "full", "random", "urandom", "tty"];
    let taken: Vec<_> = devices
        .iter()
        .map(|name| {
            copy_mount(rustix::fs::CWD, format!("/dev/{name}"))
                .with_context(|| format!("take /dev/{name}"))
        })
        .collect::<Result<_>>()?;
    let options = [("size", "64k"), ("mode", "755")];
    root.mount("tmpfs", "dev", MountAttrFlags::MOUNT_ATTR_NOSUID, &options)?;
    let dev = root.resolve("dev")?;
    // Then a place for each, by the older calls, through the descriptor's own path.
    let inside =
        |name: &str| format!("/proc/self/fd/{}/{name}", std::os::fd::AsRawFd::as_raw_fd(&dev));
    for (mount, name) in taken.into_iter().zip(devices) {
        std::fs::write(inside(name), "").with_context(|| format!("create {name}"))?;
        root.place(mount, &format!("dev/{name}"))?;
    }
    let quiet = MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_NOSUID;
    for name in ["mqueue", "shm", "pts"] {
        std::fs::create_dir(inside(name)).with_context(|| format!("create {name}"))?;
    }
    root.mount("mqueue", "dev/mqueue", quiet, &[])?;
    root.mount("tmpfs", "dev/shm", quiet, &[("size", "64m"), ("mode", "1777")])?;
    root.mount("devpts", "dev/pts", quiet, &[("mode", "620"), ("ptmxmode", "666")])?;
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        std::os::unix::fs::symlink(format!("/proc/self/fd/{number}"), inside(name))
            .context(name)?;
    }
    std::os::unix::fs::symlink("/proc/self/fd", inside("fd")).context("fd")?;
    std::os::unix::fs::symlink("pts/ptmx", inside("ptmx")).context("ptmx")
}

pub fn pivot(root: Root) -> Result<()> {
    // The textbook's way: the old root gets a directory of its own, in our /dev, and goes from there.
    let dev = root.resolve("dev")?;
    mkdirat(&dev, ".old", Mode::S_IRWXU).context("mkdir .old")?;
    fchdir(&dev).context("fchdir dev")?;
    let new = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&root.tree));
    pivot_root(new.as_str(), ".old").tried(Operation::PivotRoot, "pivot_root")?;
    umount2(".old", MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).context("umount .old")?;
    while umount2(".old", MntFlags::MNT_DETACH).is_ok() {}
    nix::unistd::unlinkat(&dev, ".old", nix::unistd::UnlinkatFlags::RemoveDir).context("rmdir")?;
    chdir("/").context("chdir /")?;
    drop((dev, root));
    close_files();
    ensure_nothing_above()
}

impl Root {
    pub fn attach(tree: OwnedFd) -> Result<Root> {
        let none: Option<&str> = None;
        // Private first, so that nobody sees what comes; then the place; then ours as well.
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)
            .tried(Operation::ChangeMount, "make / private")?;
        move_mount(&tree, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .tried(Operation::Bind, "attach the root filesystem")?;
        let own = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&tree));
        mount(none, own.as_str(), none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)
            .tried(Operation::ChangeMount, "make the root private")?;
        Ok(Root { tree, mounts: RefCell::new(Vec::new()) })
    }

    pub fn mount(
        &self,
        fstype: &str,
        path: &str,
        flags: MountAttrFlags,
        options: &[(&str, &str)],
    ) -> Result<()> {
        use std::os::fd::AsRawFd;

        let point = self.resolve(path)?;
        let name = format!("/proc/self/fd/{}", point.as_raw_fd());
        let words: Vec<String> = options
            .iter()
            .map(
                |(key, value)| {
                    if value.is_empty() { key.to_string() } else { format!("{key}={value}") }
                },
            )
            .collect();
        let mut old = MsFlags::empty();
        for (new, flag) in [
            (MountAttrFlags::MOUNT_ATTR_RDONLY, MsFlags::MS_RDONLY),
            (MountAttrFlags::MOUNT_ATTR_NOSUID, MsFlags::MS_NOSUID),
            (MountAttrFlags::MOUNT_ATTR_NODEV, MsFlags::MS_NODEV),
            (MountAttrFlags::MOUNT_ATTR_NOEXEC, MsFlags::MS_NOEXEC),
        ] {
            if flags.contains(new) {
                old |= flag;
            }
        }
        mount(Some(fstype), name.as_str(), Some(fstype), old, Some(words.join(",").as_str()))
            .tried(Operation::mount(fstype), format_args!("mount {fstype} on /{path}"))?;
        let mounted = self.resolve(path)?; // once more: now it is the root of the mount
        self.mounts.borrow_mut().push((path.to_owned(), mounted));
        Ok(())
    }
}
