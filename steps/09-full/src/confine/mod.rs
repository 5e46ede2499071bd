//! Confinement: what the container may not do, and what it does not see.
//!
//! # Layout
//!
//! - `program`: the launcher's own program cannot be written to through the container
//! - `masks`: files of the kernel that no container needs
//! - `inheritance`: environment, keyring, working directory, user: nothing of the launcher's is left
//! - `capabilities`: what root inside may still do
//! - `seccomp`: which system calls reach the kernel

pub mod capabilities;
pub mod inheritance;
pub mod masks;
pub mod program;
pub mod seccomp;
