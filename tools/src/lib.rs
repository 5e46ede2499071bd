//! What the learner's machine allows, and what experiments have left on it: for the programs
//! `doctor`, `install-tools` and `sweep`, behind `make doctor`, `make deps` and `make sweep`.

pub mod doctor;
pub mod packages;
pub mod programs;
pub mod sweep;
pub mod tools;
