//! What the learner's machine allows, and what experiments have left on it: for the programs `doctor`, `deps` and
//! `sweep`, each behind a make target of its name.

pub mod doctor;
pub mod packages;
pub mod programs;
pub mod sweep;
pub mod tools;
