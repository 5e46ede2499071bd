//! The user inside that the payload runs as, by number or by a name that the image knows.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use anyhow::Result;
use common::Failure;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Gid, Uid};

/// As it was asked for: `USER[:GROUP]`, each a number or a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    user: String,
    group: Option<String>,
}

/// Ids inside, and where the user is at home.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The user.
    pub uid: Uid,
    /// Its first group.
    pub gid: Gid,
    /// All groups, the first included.
    pub groups: Vec<Gid>,
    /// Its home directory, where the image knows it.
    pub home: Option<String>,
}

/// More of the image's tables is not read.
const LIMIT: u64 = 1 << 20;

/// Without blocking: in a hostile image the file may be a FIFO or a device.
pub const READING: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

impl Account {
    /// Looks the names up in the image's passwd(5) and group(5), which `open` opens inside.
    ///
    /// # Errors
    /// The image has no such user or group.
    pub fn find(&self, open: impl Fn(&str) -> Result<OwnedFd>) -> Result<Identity> {
        let table = |path| open(path).map_or(String::new(), read);
        let (passwd, groups) = (table("etc/passwd"), table("etc/group"));
        let number = self.user.parse().ok();
        let line = rows(&passwd).find(|row| row.first() == Some(&&*self.user) && number.is_none());
        let field = |index: usize| line.as_ref()?.get(index)?.parse().ok();
        let uid = number.or(field(2)).ok_or_else(|| missing("user", &self.user, "passwd"))?;
        let gid = match &self.group {
            Some(group) => group_id(group, &groups)?,
            None => field(3).unwrap_or(uid),
        };
        let mut all = vec![Gid::from_raw(gid)];
        if line.is_some() && self.group.is_none() {
            all.extend(rows(&groups).filter_map(|row| membership(&row, &self.user)));
        }
        let home = line.as_ref().and_then(|row| row.get(5)).map(|home| (*home).to_owned());
        Ok(Identity { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), groups: all, home })
    }
}

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().map(|line| line.split(':').collect())
}

fn group_id(group: &str, table: &str) -> Result<u32> {
    let row = || rows(table).find(|row| row.first() == Some(&group));
    let id = group.parse().ok().or_else(|| row()?.get(2)?.parse().ok());
    id.ok_or_else(|| missing("group", group, "group"))
}

fn membership(row: &[&str], user: &str) -> Option<Gid> {
    let id = row.get(2)?.parse().ok()?;
    row.get(3)?.split(',').any(|member| member == user).then(|| Gid::from_raw(id))
}

fn missing(kind: &str, name: &str, table: &str) -> anyhow::Error {
    let failure = Failure::new(format!("the container has no {kind} {}", common::printable(name)));
    failure.hint(format!("its /etc/{table} lists them; a number does without it")).into()
}

/// The text of a regular file, and of nothing else.
fn read(file: OwnedFd) -> String {
    let mode = fstat(&file).map_or(0, |file| file.st_mode);
    let mut text = Vec::new();
    if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFREG {
        let _ = File::from(file).take(LIMIT).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group.to_owned())),
            None => (text, None),
        };
        let fits = |name: &str| !name.is_empty() && !name.contains([':', '\n', ',']);
        let minus_one = |name: &str| name.parse() == Ok(u32::MAX);
        if !fits(user) || group.as_deref().is_some_and(|group| !fits(group)) {
            return Err("write USER or USER:GROUP, each a number or a name".into());
        }
        if minus_one(user) || group.as_deref().is_some_and(minus_one) {
            return Err(format!("the last possible id is {}", u32::MAX - 1));
        }
        Ok(Account { user: user.into(), group })
    }
}

#[cfg(test)]
mod tests;
