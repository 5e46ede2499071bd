//! The list of programs that the course uses from this machine, `common/programs`.

use std::sync::LazyLock;

/// How much a program is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it nothing of the course can be built.
    Build,
    /// A chapter's experiments run it inside the container.
    Chapter,
    /// A single target or experiment uses it.
    Extra,
}

/// A program and the package that brings it.
#[derive(Clone, Debug)]
pub struct Program {
    /// Alternatives: one of these is enough.
    pub names: Vec<&'static str>,
    /// How much it is needed.
    pub need: Need,
    /// The chapters and targets that use it.
    pub used_by: &'static str,
    /// The package for apt-get, dnf, pacman, apk and zypper; empty where there is none.
    pub packages: [&'static str; 5],
    /// The package's programs that a root filesystem of kind `host` has.
    pub inside: Vec<&'static str>,
}

/// All of them.
pub static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    let mut programs: Vec<Program> = Vec::new();
    for line in include_str!("../programs").lines().filter(|line| !line.starts_with('#')) {
        match (line.trim_start().strip_prefix('+'), programs.last_mut()) {
            (Some(names), Some(program)) => program.inside.extend(names.split_whitespace()),
            _ => programs.push(parse(line)),
        }
    }
    programs
});

/// Reads a line. The list is a part of this program, so that a mistake in it is a bug of ours.
fn parse(line: &'static str) -> Program {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [names, need, used_by, apt, dnf, pacman, apk, zypper] = columns[..] else {
        panic!("common/programs: eight columns are expected in {line:?}")
    };
    let need = match need {
        "build" => Need::Build,
        "chapter" => Need::Chapter,
        "extra" => Need::Extra,
        _ => panic!("common/programs: {need:?} is no need"),
    };
    let packages = [apt, dnf, pacman, apk, zypper];
    Program { names: names.split('/').collect(), need, used_by, packages, inside: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_program_is_listed_twice() {
        let names = PROGRAMS.iter().flat_map(|program| program.names.clone());
        let inside = PROGRAMS.iter().flat_map(|program| program.inside.clone());
        for all in [names.collect::<Vec<_>>(), inside.collect()] {
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        }
    }

    #[test]
    fn a_package_that_one_manager_has_all_of_them_have() {
        for program in PROGRAMS.iter() {
            let empty = program.packages.iter().filter(|name| name.is_empty()).count();
            assert!(empty == 0 || empty == program.packages.len(), "{program:?}");
        }
    }
}
