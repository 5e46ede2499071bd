//! The programs that the course uses: which of them are installed, and the packages of the others.

use common::{Need, PROGRAMS, Program};

use super::report::{Finding, Verdict};
use crate::packages::Packages;
use crate::programs::is_installed;

/// The installed programs share a line.
pub fn findings() -> Vec<Finding> {
    let (installed, missing): (Vec<&Program>, Vec<&Program>) =
        PROGRAMS.iter().partition(|program| is_installed(program));
    let names: Vec<_> = installed.iter().map(|program| program.names[0]).collect();
    let packages = Packages::detect();
    let mut findings: Vec<_> = missing.into_iter().map(|it| absent(it, packages)).collect();
    if !names.is_empty() {
        findings.insert(0, Finding::ok("installed", names.join(" ")));
    }
    findings
}

fn absent(program: &Program, packages: Option<Packages>) -> Finding {
    let name = program.names[0];
    let verdict = match program.need {
        Need::Build | Need::Chapter => Verdict::Missing,
        Need::Useful | Need::Target => Verdict::Limited,
    };
    let cure = packages.and_then(|packages| packages.install(program));
    let cure = cure.unwrap_or_else(|| format!("install {name} with this system's package manager"));
    let because = format!("is not installed; used by: {}", program.used_by);
    Finding::bad(verdict, name, because, cure)
}

/// The command that installs the program.
pub fn cure(name: &str) -> Option<String> {
    let program = PROGRAMS.iter().find(|program| program.names.contains(&name))?;
    Packages::detect()?.install(program)
}
