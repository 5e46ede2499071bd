//! Life: process 1 and the payload below it, and the terminal that both have.

mod init;
mod terminal;

pub use init::{become_payload, run};
pub use terminal::Terminal;
