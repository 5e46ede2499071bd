//! practice: the learner builds the container. Exercises are taken out of the steps, bugs are put
//! in, and the chapter's claims judge what the learner makes of it.
//!
//! # Layout
//! - [`declaration`]: what a chapter's exercises.toml says
//! - [`hollow`]: bodies out of functions, and back
//! - [`git`], [`state`]: the course's version, the learner's versions, what is remembered
//! - [`course`]: the learner's tree between the two
//! - [`begin`], [`check`], [`help`], [`watch`], [`progress`]: the commands
//! - [`judge`], [`processes`]: the harness, and that nothing it starts is left
//! - [`grade`]: students' trees, judged
//! - [`page`]: "Your turn" in the book

pub mod begin;
pub mod check;
pub mod course;
pub mod declaration;
pub mod git;
pub mod grade;
pub mod help;
pub mod hollow;
pub mod judge;
pub mod page;
pub mod processes;
pub mod progress;
pub mod show;
pub mod state;
pub mod watch;
