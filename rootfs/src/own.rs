//! The course's own programs, which the experiments of the chapters run inside a container.
//!
//! They are copied without their debug information, of which each has 20 MB.

use std::env;
use std::path::Path;

use anyhow::{Context, Result};

use crate::plan::Plan;

const PROGRAMS: [&str; 7] =
    ["queue", "server", "client", "cpu-hog", "mem-hog", "seccomp-demo", "typist"];

/// Plans those that are built: they are beside this program.
///
/// # Errors
/// /proc is not mounted.
pub fn add(plan: &mut Plan) -> Result<()> {
    let exe = env::current_exe().context("find the path of this program")?;
    let (built, missing): (Vec<_>, Vec<_>) =
        PROGRAMS.iter().map(|name| exe.with_file_name(name)).partition(|file| file.is_file());
    for (name, source) in built.iter().filter_map(|file| Some((file.file_name()?, file))) {
        plan.small_program(Path::new("usr/local/bin").join(name), source);
    }
    let missing: Vec<_> = missing.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    if !missing.is_empty() {
        plan.notes.push(format!(
            "left out, because they are not built yet: {} (cargo build)",
            missing.join(", ")
        ));
    }
    Ok(())
}
