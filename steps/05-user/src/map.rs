//! How a range of ids is written on the command line.

use std::fmt;
use std::str::FromStr;

/// One line of uid_map or gid_map (user_namespaces(7)): where the range begins inside and outside,
/// and its length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdMap {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl IdMap {
    /// Whether an id of the one is also in the other, on either side.
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
            return Err("three numbers, IN:OUT:COUNT, as in 0:1000:1".into());
        };
        let ends = [inside, outside].map(|start| start.checked_add(*count));
        match (count, ends) {
            (0, _) => Err("COUNT is at least 1".into()),
            (_, [Some(_), Some(_)]) => {
                Ok(IdMap { inside: *inside, outside: *outside, count: *count })
            }
            _ => Err(format!("ids end at {}", u32::MAX - 1)),
        }
    }
}

impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.inside, self.outside, self.count)
    }
}
