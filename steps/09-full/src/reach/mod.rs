//! Reach: how a running container is named, found, joined, and connected to.

pub mod groups;
pub mod join;
pub mod name;
pub mod publish;
mod registry;
pub mod running;
