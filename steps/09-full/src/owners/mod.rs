//! Owners: whose ids the container has, and to whom its files belong.
//!
//! # Layout
//!
//! - `subordinate`: the range of ids that the container gets, by /etc/subuid and /etc/subgid
//! - `idmap`: files on disk keep their owners, and inside they belong to the container's ids
//! - `standard_files`: the container's root may open its standard input and output by name

mod idmap;
mod standard_files;
mod subordinate;

pub use idmap::shift;
pub use standard_files::hand_over;
pub use subordinate::{are_mapped_here, choose, stand_in};

use user::{IdMap, Ids};

/// The id outside that stands for `id` inside.
pub fn outside(maps: &[IdMap], id: u32) -> Option<u32> {
    let map = maps.iter().find(|map| (map.inside..map.inside + map.count).contains(&id))?;
    Some(map.outside + (id - map.inside))
}

/// Whether every id inside is the same outside, so that nothing needs shifting.
pub fn identical(ids: &Ids) -> bool {
    ids.uids.iter().chain(&ids.gids).all(|map| map.inside == map.outside)
}
