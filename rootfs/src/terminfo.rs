//! What full-screen programs (top, less, vi) must know about their terminal.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use crate::plan::Plan;

const TERMINALS: [&str; 9] = [
    "dumb",
    "linux",
    "screen",
    "screen-256color",
    "tmux",
    "tmux-256color",
    "vt100",
    "xterm",
    "xterm-256color",
];

/// Plans the descriptions of the usual terminals, and of the terminal that this program runs in.
pub fn add(plan: &mut Plan) {
    let own = env::var("TERM").ok().filter(|name| is_name(name));
    let names: BTreeSet<String> = TERMINALS.iter().map(ToString::to_string).chain(own).collect();
    for name in names {
        if let Some(source) = find(&name) {
            plan.copy(format!("usr/share/terminfo/{}", entry(&name)), 0o644, &source);
        }
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".terminfo"));
    let system = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo"];
    let dirs = system.iter().map(PathBuf::from).chain(home);
    dirs.map(|dir| dir.join(entry(name))).find(|file| file.is_file())
}

/// A description is in a directory named after its first letter.
fn entry(name: &str) -> String {
    format!("{}/{name}", &name[..1])
}

/// TERM becomes part of a path, and may be anything.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-_.".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_a_path() {
        assert!(is_name("xterm-256color"));
        assert!(["", "../passwd", "x/y", ".x", "é"].iter().all(|name| !is_name(name)));
    }
}
