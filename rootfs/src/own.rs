//! The course's own programs, which the experiments of the chapters run inside a container.
//!
//! They are copied without their debug information, of which each has 20 MB.

use std::env;
use std::path::Path;

use anyhow::{Context, Result};

use crate::plan::Plan;

const PROGRAMS: [&str; 7] =
    ["queue", "server", "client", "cpu-hog", "mem-hog", "seccomp-demo", "typist"];

/// Plans those of them that are built: they are beside this program. `make step-NN` builds those of
/// the chapters up to NN.
///
/// # Errors
/// /proc is not mounted.
pub fn add(plan: &mut Plan) -> Result<()> {
    let exe = env::current_exe().context("find the path of this program")?;
    let built = PROGRAMS.map(|name| (name, exe.with_file_name(name)));
    for (name, source) in built.iter().filter(|(_, file)| file.is_file()) {
        plan.small_program(Path::new("usr/local/bin").join(name), source);
    }
    Ok(())
}
