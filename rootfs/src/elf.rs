//! What a program needs in order to start: the file itself says so (elf(5), ld.so(8)).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lddtree::DependencyAnalyzer;

/// How the kernel starts a program.
#[derive(Debug, PartialEq)]
pub enum Format {
    Elf,
    /// Through the interpreter of this name, which the first line names.
    Script(String),
}

/// What must lie beside a program in the tree.
#[derive(Debug, Default)]
pub struct Needs {
    /// The kernel starts this one in the program's place, under exactly the path that stands in the
    /// program (PT_INTERP); without it execve(2) says "No such file or directory" of a program that
    /// is there.
    pub loader: Option<PathBuf>,
    /// The paths at which the loader finds the libraries.
    pub libraries: Vec<PathBuf>,
    /// Libraries that this machine lacks.
    pub missing: Vec<String>,
}

pub fn format(program: &Path) -> Result<Format> {
    let mut head = Vec::new();
    let file = File::open(program).with_context(|| format!("open {}", program.display()))?;
    file.take(256).read_to_end(&mut head).with_context(|| format!("read {}", program.display()))?;
    match head.as_slice() {
        [0x7f, b'E', b'L', b'F', ..] => Ok(Format::Elf),
        [b'#', b'!', line @ ..] => Ok(Format::Script(interpreter(&String::from_utf8_lossy(line)))),
        _ => bail!("{} is neither an ELF program nor a script", program.display()),
    }
}

/// `/bin/sh -e` is sh, and `/usr/bin/env python3` is python3.
fn interpreter(line: &str) -> String {
    let words = line.lines().next().unwrap_or_default().split_whitespace();
    let mut names = words
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .filter(|name| !name.starts_with('-'));
    let first = names.next().unwrap_or_default();
    if first == "env" { names.next().unwrap_or(first) } else { first }.to_owned()
}

/// Follows the program's list of libraries (DT_NEEDED), and each library's, by the rules of the
/// loader.
pub fn needs(program: &Path) -> Result<Needs> {
    let all = DependencyAnalyzer::default().analyze(program);
    let all =
        all.with_context(|| format!("read the libraries that {} needs", program.display()))?;
    let mut needs = Needs { loader: all.interpreter.map(PathBuf::from), ..Needs::default() };
    for library in all.libraries.into_values() {
        match library.found() {
            true => needs.libraries.push(library.path),
            false => needs.missing.push(library.name),
        }
    }
    // The C library of before 2.34 opens this one by itself, when it is asked who a user is.
    let nss = beside_libc(&needs.libraries, "libnss_files.so.2").filter(|file| file.is_file());
    needs.libraries.extend(nss);
    // A map has no order, and a build shall.
    needs.libraries.sort();
    Ok(needs)
}

/// The path of a file in the directory of the GNU C library: its loader looks there without being
/// told.
pub fn beside_libc(libraries: &[PathBuf], name: &str) -> Option<PathBuf> {
    libraries
        .iter()
        .find(|library| library.ends_with("libc.so.6"))
        .map(|libc| libc.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_known_by_its_name() {
        assert_eq!(interpreter(" /bin/sh -e\nexit"), "sh");
        assert_eq!(interpreter("/usr/bin/env -S python3 -u\n"), "python3");
        assert_eq!(interpreter(""), "");
    }

    #[test]
    fn this_test_needs_a_loader_and_a_c_library() -> Result<()> {
        let program = std::env::current_exe()?;
        assert_eq!(format(&program)?, Format::Elf);
        let needs = needs(&program)?;
        assert!(needs.loader.is_some_and(|loader| loader.is_file()));
        assert!(needs.libraries.iter().all(|library| library.is_absolute() && library.is_file()));
        assert_eq!(needs.missing, [""; 0]);
        Ok(())
    }

    #[test]
    fn a_text_is_no_program() {
        assert!(format(Path::new("/etc/passwd")).is_err());
        assert!(needs(Path::new("/etc/passwd")).is_err());
    }
}
