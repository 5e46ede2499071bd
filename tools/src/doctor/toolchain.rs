//! Rust: the version matters, and distributions' packages are often too old.

use std::io;
use std::process::{Child, Command, Stdio};

use super::report::{Finding, Verdict};
use crate::programs;

/// The oldest version that builds the course, from its Cargo.toml.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// rustc, asked for its version.
pub struct Toolchain(io::Result<Child>);

/// Asks while other things are looked at: where rustup stands before it that takes a moment.
pub fn ask() -> Toolchain {
    let mut rustc = Command::new("rustc");
    Toolchain(
        rustc
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn(),
    )
}

impl Toolchain {
    /// Its version, and whether cargo is beside it.
    pub fn findings(self) -> Vec<Finding> {
        let output = self.0.and_then(Child::wait_with_output);
        let text = output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        let version = text.split_whitespace().nth(1).unwrap_or_default();
        let wanted = format!("Rust {OLDEST} or newer builds the course");
        let cure = if programs::on_path("rustup").is_some() {
            "rustup update stable"
        } else {
            "install Rust with rustup, as https://rustup.rs shows: packages of distributions are often too old"
        };
        let bad = |because: String| vec![Finding::bad(Verdict::Missing, "rust", because, cure)];
        match numbers(version) {
            _ if programs::on_path("cargo").is_none() => {
                bad(format!("cargo is not installed; {wanted}"))
            }
            None => bad(format!("rustc does not run; {wanted}")),
            Some(found) if Some(found) < numbers(OLDEST) => {
                bad(format!("Rust {version} is here; {wanted}"))
            }
            Some(_) => vec![Finding::ok("rust", format!("{version}; {wanted}"))],
        }
    }
}

/// `1.88` and `1.88.0-nightly` are (1, 88).
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}
