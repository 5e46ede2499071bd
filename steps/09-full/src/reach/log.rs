//! What a container in the background printed: a file of limited length, and the one before it. Both
//! stay when the container has ended, until its name is taken again.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use common::{Failure, Operation};

use super::registry::{Holder, Registry, holder};

/// A log of this length becomes the old one, and a new one begins.
const LONGEST: u64 = 1 << 20;

/// What belongs to a name, and outlives the container.
pub(super) const LOG: &str = "log";
const OLD: &str = "log.1";
const CODE: &str = "exit";
pub(super) const KINDS: [&str; 3] = [LOG, OLD, CODE];

/// A log while it is written. Its writer has the lock on it.
pub(super) struct Log {
    registry: Registry,
    name: String,
    file: File,
    length: u64,
}

impl Log {
    /// Begins the log of the caller's container of this name.
    pub fn create(name: &str) -> Result<Log> {
        let registry = Registry::own()?;
        let file = registry.create(name, LOG)?;
        Ok(Log { registry, name: name.to_owned(), file, length: 0 })
    }

    /// Appends what was printed.
    pub fn write(&mut self, text: &[u8]) -> Result<()> {
        if self.length + text.len() as u64 > LONGEST {
            self.registry.rename(&self.name, LOG, OLD)?;
            (self.file, self.length) = (self.registry.create(&self.name, LOG)?, 0);
        }
        self.length += text.len() as u64;
        self.file.write_all(text).context("write the log")
    }

    /// Removes it, unless another container has taken the name meanwhile.
    pub fn remove(self) -> Result<()> {
        let _lock = self.registry.lock()?;
        if self.registry.of(&self.name, LOG).is_some_and(|log| inode(&log) == inode(&self.file)) {
            self.registry.forget(&self.name);
        }
        Ok(())
    }

    /// Notes how the container ended.
    pub fn end(self, code: u8) -> Result<()> {
        let mut file = self.registry.create(&self.name, CODE)?;
        file.write_all(&[code]).context("write the exit code")
    }
}

/// Prints what the caller's container of this name printed; with `follow` also what it prints from now
/// on, until it ends.
pub fn print(name: &str, follow: bool, to: &mut impl Write) -> Result<()> {
    let registry = Registry::own()?;
    let mut old = registry.of(name, OLD);
    let log = registry.of(name, LOG);
    let mut log = log.ok_or_else(|| {
        Failure::new(format!("there is no log of a container {name}"))
            .hint("only a container that was started with --detach has one")
    })?;
    old.as_mut().map_or(Ok(0), |old| copy(old, to))?;
    loop {
        let ended = holder(&log)? == Holder::Nobody; // asked first: its last output is read below
        copy(&mut log, to)?;
        if ended || !follow {
            return Ok(());
        }
        sleep(Duration::from_millis(100));
        let current = registry.of(name, LOG).filter(|it| inode(it) != inode(&log));
        if let Some(next) = current {
            copy(&mut log, to)?; // up to the moment in which it became the old one
            log = next;
        }
    }
}

/// Removes what is kept of the caller's container of this name, which has ended.
pub fn forget(name: &str) -> Result<()> {
    let registry = Registry::own()?;
    let _lock = registry.lock()?;
    let log = registry.of(name, LOG);
    for file in [registry.file(name), log.as_ref().and_then(|log| log.try_clone().ok())] {
        let runs = file.is_some_and(|file| holder(&file).is_ok_and(|it| it != Holder::Nobody));
        if runs {
            let failure = Failure::new(format!("container {name} is running"));
            return Err(failure.hint(format!("`containers stop {name}` ends it")).into());
        }
    }
    log.with_context(|| format!("nothing is kept of a container {name}"))?;
    registry.forget(name);
    Ok(())
}

/// The names of the caller's containers of which something is kept, with its length in bytes.
pub fn kept() -> Result<Vec<(String, u64)>> {
    let registry = Registry::own()?;
    let length = |name: &String| {
        let files = KINDS.iter().filter_map(|kind| registry.of(name, kind)?.metadata().ok());
        files.map(|file| file.len()).sum()
    };
    Ok(registry.logged().map(|name| (name.clone(), length(&name))).collect())
}

/// Waits until the caller's container of this name has ended. Returns its exit code, which is known
/// only of one that was started with --detach.
pub fn wait(name: &str) -> Result<Option<u8>> {
    let registry = Registry::own()?;
    let (entry, log) = (registry.file(name), registry.of(name, LOG));
    if entry.is_none() && log.is_none() {
        return Err(Failure::new(format!("no container {name} is running"))
            .of(Operation::FindContainer)
            .into());
    }
    for file in [entry, log].iter().flatten() {
        super::registry::wait(file).context("wait for its end")?;
    }
    // The log may have been begun anew meanwhile.
    registry.of(name, LOG).map_or(Ok(()), |log| super::registry::wait(&log))?;
    let mut code = [0];
    Ok(registry
        .of(name, CODE)
        .and_then(|mut file| file.read_exact(&mut code).ok())
        .map(|()| code[0]))
}

fn copy(from: &mut File, to: &mut impl Write) -> Result<u64> {
    std::io::copy(from, to).context("print the log")
}

fn inode(file: &File) -> Option<u64> {
    file.metadata().ok().map(|file| file.ino())
}
