//! The programs that the course uses: which are here, and what brings the others.

use super::report::{Finding, Verdict};
use crate::packages::Manager;
use crate::tools::{Need, TOOLS, Tool};

/// Those that are here share a line.
pub fn findings() -> Vec<Finding> {
    let (here, missing): (Vec<&Tool>, Vec<&Tool>) = TOOLS.iter().partition(|tool| tool.is_here());
    let names: Vec<_> = here.iter().map(|tool| tool.names[0]).collect();
    let manager = Manager::here();
    let mut findings: Vec<_> = missing.into_iter().map(|tool| absent(tool, manager)).collect();
    if !names.is_empty() {
        findings.insert(0, Finding::ok("here", names.join(" ")));
    }
    findings
}

fn absent(tool: &Tool, manager: Option<Manager>) -> Finding {
    let name = tool.names[0];
    let verdict = if tool.need == Need::Target { Verdict::Limited } else { Verdict::Missing };
    let cure = manager.and_then(|manager| cure(name, manager));
    let cure = cure.unwrap_or_else(|| match name {
        "mdbook" => "cargo install --locked mdbook".into(),
        _ => format!("install {name}; make deps knows apt-get, dnf, pacman, apk and zypper, and found none of them"),
    });
    Finding::bad(verdict, name, format!("is not installed; wanted by: {}", tool.wanted_by), cure)
}

/// The command that installs the program.
pub fn cure(name: &str, manager: Manager) -> Option<String> {
    let tool = TOOLS.iter().find(|tool| tool.names.contains(&name))?;
    Some(manager.install(&[tool.package(manager)?]).join(" "))
}
