//! The list of programs that the course uses from this machine, `common/programs`.

use std::sync::LazyLock;

/// How much a program is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it nothing of the course can be built.
    Build,
    /// A chapter's experiments run it inside the container.
    Chapter,
    /// Without it some experiments or tests are skipped.
    Useful,
    /// A single target uses it.
    Target,
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
    /// The package for each of [`MANAGERS`]; empty where there is none.
    pub packages: [&'static str; 5],
    /// The package's programs that a root filesystem of kind `host` has.
    pub inside: Vec<&'static str>,
}

/// A package manager.
#[derive(Clone, Debug)]
pub struct Manager {
    /// Its program.
    pub name: &'static str,
    /// The words that update its lists; none where it does so by itself.
    pub update: Vec<&'static str>,
    /// The words that install packages without a question.
    pub install: Vec<&'static str>,
}

/// The package managers that the list knows.
pub static MANAGERS: LazyLock<Vec<Manager>> = LazyLock::new(|| {
    let managers = LIST.lines().filter_map(|line| line.strip_prefix('@'));
    let words = |column: &'static str| column.split_whitespace().collect();
    let parse = |line: &'static str| match line.split('|').collect::<Vec<_>>()[..] {
        [name, update, install] => {
            Manager { name: name.trim(), update: words(update), install: words(install) }
        }
        _ => panic!("common/programs: three columns are expected in {line:?}"),
    };
    managers.map(parse).collect()
});

/// All programs.
pub static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    let mut programs: Vec<Program> = Vec::new();
    for line in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '@'])) {
        match (line.trim_start().strip_prefix('+'), programs.last_mut()) {
            (Some(names), Some(program)) => program.inside.extend(names.split_whitespace()),
            _ => programs.push(parse(line)),
        }
    }
    programs
});

const LIST: &str = include_str!("../programs");

/// Reads a line. The list is a part of this program, so that a mistake in it is a bug of ours.
fn parse(line: &'static str) -> Program {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [names, need, used_by, apt, dnf, pacman, apk, zypper] = columns[..] else {
        panic!("common/programs: eight columns are expected in {line:?}")
    };
    let need = match need {
        "build" => Need::Build,
        "chapter" => Need::Chapter,
        "useful" => Need::Useful,
        "target" => Need::Target,
        _ => panic!("common/programs: unknown need {need:?}"),
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
