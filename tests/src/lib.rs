//! The harness: runs the chapters' claims and all attacks against the kernel.
//!
//! A chapter's `tests/claims.rs` lists what its mechanism adds, each claim once, as a sentence and a
//! function:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use harness::{chapter, introduces};
//!
//! fn main() -> ExitCode {
//!     chapter(
//!         "03-uts",
//!         vec![introduces("the container has its own UTS namespace", |step| {
//!             let container = step.start(&["sleep", "30"])?;
//!             step.expect("UTS namespace of the payload", container.payload.ns("uts")?)
//!                 .differs_from(step.host().ns("uts")?)
//!         })],
//!     )
//! }
//! ```
//!
//! The harness runs the function as root and as an ordinary user. On the chapter's step the claim
//! must hold. On the step before, the kernel must refute it, because a check that cannot fail
//! proves nothing. [`introduces`] makes such a claim, and [`holds`] one that may have held before.
//! What decides is what the kernel shows from outside, never what a program prints about itself.
//!
//! # Layout
//!
//! - **Claims**: `claim` decides them, `evidence` is what they are decided by, and `report`
//!   turns them into data. `src/bin/check.rs` prints these for `make check`, and `print` knows how.
//! - **Experiments**: a [`Host`] stands in for the machine, in namespaces of its own (`host/keeper`)
//!   and with root filesystems that may be written to (`host/trees`). [`Step::launch`] starts a step
//!   on it (`launch`, `child`), and `standstill` notices when it hangs. `process` and `namespaces`
//!   look at processes from outside, `programs` and `kernel` skip what this machine lacks, `busy`
//!   notices when other processes take the CPUs, `interrupt` is Ctrl-C, and `paths` knows where the
//!   built programs are.
//! - **Attacks**: [`attacks`] lists them. Most are a few lines that the program `attacker` runs
//!   inside; the others are staged from outside (`attacks/stage`): by a hostile image, an option, a
//!   second user. `attacks/peers` starts other runtimes. `src/bin/attack.rs` prints the table for
//!   `make escape`, and `attacks.expected` records it.
//! - **Programs for experiments**: `try-call` makes one system call and exits with its errno,
//!   `try-syscalls` makes any by number, and `inject-errno` runs a program for which system calls
//!   fail, as on an older or restricted kernel.
//! - **Tests of the whole course**: `tests/attacks.rs` compares all attacks with the record,
//!   `tests/bad_input.rs` gives the steps wrong arguments and trees, `tests/book.rs` runs the book's
//!   transcripts, `tests/names.rs` looks for what pages and exercises name, `tests/errors`
//!   provokes every error that has a hint, and `tests/machine.rs` looks for what containers leave
//!   behind.
//! - **Beside them**: `mutants` and `mutants.sh` break the steps to see the claims fail,
//!   `sessions.sh` leaves a shell of each step and checks again, `vm` runs the claims on other
//!   kernels.
//!
//! No experiment happens on the machine itself. A step may rename its host, mount on it, or kill
//! every process that it can see. The host is process 1 of a PID namespace, and everything ends
//! with it. (The exception is step 09 as started by an ordinary user with subordinate ids:
//! newuidmap(1) has its rights on the machine only.)

pub mod attacks;
mod busy;
mod child;
mod claim;
mod evidence;
mod host;
mod interrupt;
mod kernel;
mod launch;
mod namespaces;
mod paths;
mod print;
mod process;
mod programs;
mod report;
mod standstill;

pub use attacks::{
    AttackResult, AttackResults, ExpectedOutcomes, Outcome, PEERS, attack_peer, attack_step,
};
pub use busy::cpus_are_taken;
pub use claim::{Claim, NOT_ROOT, about, chapter, holds, introduces, suite, test};
pub use evidence::{Event, Expect, Observation, Refuted, Skip, skip};
pub use host::{Host, HostPath, Identity, ORDINARY_USER};
pub use launch::{Container, Launch, Launched, Output, Step};
pub use paths::{STEPS, rootfs};
pub use print::{paint, restore_sigpipe};
pub use process::{FileId, Mount, Process, processes_with_argument, wait_until};
pub use programs::skip_without_programs;
pub use report::{Before, ClaimReport, HOST, REPORT, Verdict};
pub use standstill::Hangs;
