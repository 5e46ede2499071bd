//! Owners: whose ids the container has, and to whom its files belong.

pub mod idmap;
pub mod subordinate;
