//! The tables of subordinate ids, subuid(5) and subgid(5), and the maps that are made from them.

use anyhow::Result;
use common::Failure;
use nix::unistd::User;
use user::IdMap;

/// Where root's containers get their ids: above all that useradd(8) gives to users, which ends at
/// 600100000 (SUB_UID_MAX in login.defs(5)).
const FIRST: u32 = 603_979_776;
/// As many as programs expect: nobody is 65534.
const COUNT: u32 = 65_536;

/// The ranges that belong to the user in the text of subuid(5) or subgid(5), by name or by number.
pub fn ranges_of(table: &str, uid: u32) -> Vec<(u32, u32)> {
    let name = match uid {
        0 => Some("root".into()), // needs no look-up
        _ => User::from_uid(uid.into()).ok().flatten().map(|user| user.name),
    };
    let ours = |owner: &str| Some(owner) == name.as_deref() || owner == uid.to_string();
    ranges(table)
        .filter(|(owner, _, _)| ours(owner))
        .map(|(_, first, count)| (first, count))
        .collect()
}

/// The lines OWNER:FIRST:COUNT that make sense.
fn ranges(table: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    table.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let owner = fields.next()?;
        let [first, count]: [u32; 2] = [fields.next()?.parse().ok()?, fields.next()?.parse().ok()?];
        (count > 0 && first.checked_add(count).is_some()).then_some((owner, first, count))
    })
}

/// The maps of an ordinary user's container: root inside is the user, the rest comes from `ranges`.
pub fn user_maps(own: u32, ranges: &[(u32, u32)]) -> Vec<IdMap> {
    let mut maps = vec![IdMap { inside: 0, outside: own, count: 1 }];
    let apart = ranges.iter().filter(|(first, count)| !(*first..first + count).contains(&own));
    append(&mut maps, apart.copied());
    maps
}

/// The maps of root's container: from `ranges`, and without any the fixed range.
///
/// # Errors
/// Somebody has a part of the fixed range in `table`.
pub fn root_maps(own: &[(u32, u32)], table: &str) -> Result<Vec<IdMap>> {
    let mut maps = Vec::new();
    append(&mut maps, own.iter().copied());
    if maps.is_empty() {
        let meets =
            |(_, first, count): &(&str, u32, u32)| FIRST < first + count && *first < FIRST + COUNT;
        if let Some((owner, first, count)) = ranges(table).find(meets) {
            let what =
                format!("the ids {FIRST} to {} are {owner}'s ({first}:{count})", FIRST + COUNT - 1);
            let hint = "give root a range in /etc/subuid and /etc/subgid: usermod --add-subuids";
            return Err(Failure::new(what).hint(hint).into());
        }
        append(&mut maps, [(FIRST, COUNT)].into_iter());
    }
    Ok(maps)
}

/// Fills the ids inside up to 65535, one range after the other.
fn append(maps: &mut Vec<IdMap>, ranges: impl Iterator<Item = (u32, u32)>) {
    for (outside, count) in ranges.take(300) {
        let inside = maps.last().map_or(0, |map| map.inside + map.count);
        let map = IdMap { inside, outside, count: count.min(COUNT - inside) };
        if map.count > 0 && maps.iter().all(|other| !map.overlaps(other)) {
            maps.push(map);
        }
    }
}

#[cfg(test)]
mod tests;
