//! The programs of this machine that experiments run: without one, an experiment is skipped.

use std::env;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::Result;
use common::{PROGRAMS, Program};

use crate::evidence::skip;

/// A shell has these itself.
const BUILTINS: [&str; 7] = ["echo", "false", "kill", "printf", "pwd", "test", "true"];

/// Those of the course that this machine lacks, and the others of their packages.
static MISSING: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let names = |program: &'static Program| match program.names.iter().any(|name| exists(name)) {
        true => &program.inside[..0],
        false => &program.names[..],
    };
    let first = PROGRAMS.iter().flat_map(names);
    let inside = PROGRAMS.iter().flat_map(|program| &program.inside);
    let others = inside.filter(|name| !exists(name) && !BUILTINS.contains(name));
    first.chain(others).copied().collect()
});

fn exists(name: &str) -> bool {
    let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').any(|directory| Path::new(directory).join(name).is_file())
}

/// Skips an experiment whose commands name a program that this machine, and so the root filesystem,
/// lacks.
pub fn skip_without_programs(commands: &[impl AsRef<str>]) -> Result<()> {
    let text = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut words = commands.iter().flat_map(|it| it.as_ref().split(|c| !text(c)));
    match words.find(|word| MISSING.contains(word)) {
        Some(program) => skip(format!("{program} is not installed: make deps")),
        None => Ok(()),
    }
}
