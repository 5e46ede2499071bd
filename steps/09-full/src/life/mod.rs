//! Life: process 1 and the payload below it, and the terminal that both have.
//!
//! # Layout
//!
//! - `init`: process 1 adopts and reaps, passes signals on, and ends with the payload
//! - `title`: what ps(1) shows of process 1
//! - `terminal`: the container has its own, and the launcher copies between it and the user's

mod init;
mod terminal;
mod title;

pub use init::{become_payload, run};
pub use terminal::Terminal;
pub use title::Title;
