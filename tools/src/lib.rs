//! What the learner's machine allows, and what experiments have left on it: the programs `doctor`,
//! `install-tools` and `sweep`, behind `make doctor`, `make deps` and `make sweep`.
//!
//! Nothing here is linked to a step: a mistake that a learner makes in one must not break the tools
//! that help. The doctor starts the steps instead.

pub mod doctor;
pub mod packages;
pub mod programs;
pub mod sweep;
