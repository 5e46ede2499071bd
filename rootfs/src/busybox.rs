//! The kind `busybox`: one program that acts as the tool whose name it is called by, and a link for
//! each name.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use common::{Failure, printable};

use crate::plan::Plan;
use crate::{etc_files, find, host, terminfo};

/// Plans a tree around this machine's busybox.
///
/// # Errors
/// There is no busybox, or it does not list its names.
pub fn plan() -> Result<Plan> {
    let busybox = find::program("busybox").ok_or_else(|| {
        Failure::new("there is no busybox on this machine")
            .hint("install the package busybox-static")
    })?;
    let mut plan = Plan::default();
    host::layout(&mut plan);
    for applet in applets(&busybox)? {
        plan.link(applet, "/bin/busybox");
    }
    plan.program("bin/busybox", &busybox);
    etc_files::add(&mut plan);
    terminfo::add(&mut plan);
    Ok(plan)
}

/// Returns the paths of all the names that this busybox answers to, such as `usr/bin/env`.
fn applets(busybox: &Path) -> Result<Vec<String>> {
    // Some are built without the table of directories; then all links are in bin.
    for (option, dir) in [("--list-full", ""), ("--list", "bin/")] {
        let output = Command::new(busybox).arg(option).output();
        let output = output.with_context(|| format!("run {} {option}", printable(&busybox)))?;
        if output.status.success() {
            return Ok(paths(&String::from_utf8_lossy(&output.stdout), dir));
        }
    }
    bail!("{} does not list its names", printable(&busybox))
}

/// Leaves out busybox itself: a link would replace the program.
fn paths(list: &str, dir: &str) -> Vec<String> {
    list.lines()
        .map(|name| format!("{dir}{name}"))
        .filter(|path| !path.ends_with("bin/busybox"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busybox_is_not_a_link_to_itself() {
        assert_eq!(paths("bin/busybox\nusr/bin/env\n", ""), ["usr/bin/env"]);
        assert_eq!(paths("ls\nbusybox", "bin/"), ["bin/ls"]);
    }
}
