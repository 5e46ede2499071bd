//! Confinement: what the container may not do, and what it does not see.

pub mod capabilities;
pub mod inheritance;
pub mod masks;
pub mod seccomp;
