//! Confinement: what the container may not do, and what it does not see.
//!
//! # Layout
//!
//! - `program`: the launcher's own program cannot be written to through the container
//! - `masks`: files of the kernel that no container needs
//! - `inheritance`: nothing of the launcher's is left in the process
//! - `settings`: environment, working directory and user of the payload
//! - `account`: the user inside that the payload runs as
//! - `capabilities`: what root inside may still do
//! - `seccomp`: which system calls reach the kernel

pub mod account;
pub mod capabilities;
pub mod inheritance;
pub mod masks;
pub mod program;
pub mod seccomp;
pub mod settings;
