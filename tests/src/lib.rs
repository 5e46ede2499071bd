//! Puts the chapters' claims to the test.
//!
//! A chapter's `tests/claims.rs` says what its mechanism brings, each claim once, as a sentence and
//! a function:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use harness::{chapter, introduces};
//!
//! fn main() -> ExitCode {
//!     chapter(
//!         "03-uts",
//!         vec![introduces("the container has a UTS namespace of its own", |step| {
//!             let container = step.start(&["sleep", "30"])?;
//!             step.expect("UTS namespace of the payload", container.payload.ns("uts")?)
//!                 .differs_from(step.host().ns("uts")?)
//!         })],
//!     )
//! }
//! ```
//!
//! The harness runs it as root and as an ordinary user, on the chapter's step, where it must hold,
//! and on the step before, where the kernel must refute it: a check that cannot fail proves
//! nothing. What decides is what the kernel shows from outside, never what a program prints about
//! itself.
//!
//! `make check` tells the claims to a reader: `src/bin/check.rs`. `make escape` lets attacks loose:
//! those of [`attacks`] run inside a container as the program `attacker`, and `src/bin/attackers.rs`
//! starts the containers and draws the table. `make mutants` breaks the steps, to see that the
//! claims notice.
//!
//! What goes wrong on other machines is tried, too: with the program `inject-errno` the kernel answers as
//! an older one or a restricted one would, and `tests/errors` provokes every error that the
//! programs have a hint for.
//!
//! Nothing of this happens on the machine itself, but on a [`Host`] that stands in for it: a
//! process in namespaces of its own. An experiment may rename such a host, mount on it and leave
//! messages there; it goes with the process.

pub mod attacks;
mod child;
mod claim;
mod evidence;
mod host;
mod launch;
mod namespaces;
mod paths;
mod print;
mod process;
mod report;

pub use attacks::{
    AttackResult, AttackResults, ExpectedOutcomes, Outcome, PEERS, attack_peer, attack_step,
};
pub use claim::{Claim, about, chapter, holds, introduces, suite, test};
pub use evidence::{Event, Expect, Observation, Refuted, Skip, skip};
pub use host::{Host, HostPath, Identity, ORDINARY_USER};
pub use launch::{Container, Launch, Launched, Output, Step};
pub use paths::{STEPS, rootfs};
pub use print::{paint, restore_sigpipe};
pub use process::{FileId, Mount, Process, processes_with_argument, wait_until};
pub use report::{ClaimReport, REPORT, Verdict};
