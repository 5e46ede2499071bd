//! What the learner's machine allows, and what experiments have left on it: the programs `doctor`
//! and `sweep`, behind `make doctor` and `make sweep`. (`make deps` is a shell script,
//! `tools/install-tools`, so that it runs where nothing can be built yet.)
//!
//! Nothing here is linked to a step: a mistake that a learner makes in one must not break the tools
//! that help. The doctor starts the steps instead.

pub mod doctor;
pub mod packages;
pub mod programs;
pub mod sweep;
