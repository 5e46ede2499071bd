//! Which ids the container has, and how they are written on the command line.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use common::Failure;
use nix::unistd::{getegid, geteuid};

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// User ids IN, IN+1 … inside are OUT, OUT+1 … outside, COUNT of them; repeatable [default: 0
    /// inside is you]
    #[arg(long, value_name = "IN:OUT:COUNT")]
    uid_map: Vec<IdMap>,

    /// The same for group ids [default: 0 inside is your group]
    #[arg(long, value_name = "IN:OUT:COUNT")]
    gid_map: Vec<IdMap>,

    /// Map nothing: every id inside is that of nobody and nogroup
    #[arg(long, conflicts_with_all = ["uid_map", "gid_map"])]
    no_map: bool,
}

impl Options {
    /// Returns whether the user said which ids the container has. Otherwise a default applies.
    pub fn ids_given(&self) -> bool {
        self.no_map || !self.uid_map.is_empty() || !self.gid_map.is_empty()
    }
}

/// The ids that the container has. Without any, all its processes are nobody's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ids {
    /// The lines of its uid_map.
    pub uids: Vec<IdMap>,
    /// The lines of its gid_map.
    pub gids: Vec<IdMap>,
}

/// Returns the ids that the options ask for; by default 0 inside is the caller.
///
/// # Errors
/// Exit code 2 for ranges that overlap.
pub fn ids(options: &Options) -> Result<Ids> {
    if options.no_map {
        return Ok(Ids::default());
    }
    let uids = or_own(&options.uid_map, geteuid().as_raw())?;
    let gids = or_own(&options.gid_map, getegid().as_raw())?;
    Ok(Ids { uids, gids })
}

fn or_own(maps: &[IdMap], own: u32) -> Result<Vec<IdMap>> {
    let pairs = maps.iter().enumerate().flat_map(|(i, a)| maps[..i].iter().map(move |b| (b, a)));
    if let Some((a, b)) = pairs.into_iter().find(|(a, b)| a.overlaps(b)) {
        return Err(Failure::usage(format!("the maps {a} and {b} overlap")).into());
    }
    Ok(match maps {
        [] => vec![IdMap { inside: 0, outside: own, count: 1 }],
        maps => maps.to_vec(),
    })
}

/// One line of uid_map or gid_map (user_namespaces(7)): where the range begins inside and outside,
/// and its length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdMap {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside.
    pub outside: u32,
    /// How many ids.
    pub count: u32,
}

impl IdMap {
    /// Returns whether the two ranges share an id, inside or outside.
    pub fn overlaps(&self, other: &IdMap) -> bool {
        let meet = |a: u32, b: u32| a < b + other.count && b < a + self.count;
        meet(self.inside, other.inside) || meet(self.outside, other.outside)
    }
}

impl FromStr for IdMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split(':').map(str::parse).collect();
        let Ok([inside, outside, count]) = numbers.as_deref() else {
            return Err("write three numbers, IN:OUT:COUNT, as in 0:1000:1".into());
        };
        let ends = [inside, outside].map(|start| start.checked_add(*count));
        match (count, ends) {
            (0, _) => Err("COUNT must be at least 1".into()),
            (_, [Some(_), Some(_)]) => {
                Ok(IdMap { inside: *inside, outside: *outside, count: *count })
            }
            _ => Err(format!("the last possible id is {}", u32::MAX - 1)),
        }
    }
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.inside, self.outside, self.count)
    }
}

#[cfg(test)]
mod tests;
