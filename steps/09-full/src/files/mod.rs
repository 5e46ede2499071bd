//! Files: what the container sees besides its root filesystem.

pub mod volumes;
