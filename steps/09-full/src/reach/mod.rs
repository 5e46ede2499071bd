//! Reach: how a running container is named, found, joined, and connected to.

pub mod detach;
pub mod groups;
pub mod internet;
pub mod join;
pub mod log;
pub mod name;
pub mod network;
pub mod publish;
mod registry;
pub mod rights;
pub mod running;
pub mod signals;
