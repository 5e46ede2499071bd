//! What a program needs in order to start: it is written in the file itself (elf(5), ld.so(8)).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::printable;
use goblin::container::Ctx;
use goblin::elf::{Elf, ProgramHeader};
use lddtree::DependencyAnalyzer;

/// How the kernel starts a program.
#[derive(Debug, PartialEq)]
pub enum Format {
    /// It maps the program, and its loader if the program names one.
    Elf,
    /// Through the interpreter of this name, from the first line.
    Script(String),
}

/// What a tree must contain besides a program.
#[derive(Debug, Default)]
pub struct Needs {
    /// The kernel starts the loader in the program's place, under exactly the path that the program
    /// contains (PT_INTERP). Without it execve(2) reports "No such file or directory" for a program
    /// that exists.
    pub loader: Option<PathBuf>,
    /// The paths at which the loader finds the libraries.
    pub libraries: Vec<PathBuf>,
    /// Libraries that this machine lacks.
    pub missing: Vec<String>,
}

/// Returns how the kernel would start this program.
pub fn format(program: &Path) -> Result<Format> {
    let mut head = Vec::new();
    let file = File::open(program).with_context(|| format!("open {}", printable(program)))?;
    file.take(256)
        .read_to_end(&mut head)
        .with_context(|| format!("read {}", printable(program)))?;
    match head.as_slice() {
        [0x7f, b'E', b'L', b'F', ..] => Ok(Format::Elf),
        [b'#', b'!', line @ ..] => Ok(Format::Script(interpreter(&String::from_utf8_lossy(line)))),
        _ => bail!("{} is neither an ELF program nor a script", printable(program)),
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

/// Returns the program's libraries (DT_NEEDED), and the libraries of these, as the loader would find
/// them.
pub fn needs(program: &Path) -> Result<Needs> {
    let all = DependencyAnalyzer::default().analyze(program);
    let all =
        all.with_context(|| format!("read the libraries that {} needs", printable(program)))?;
    let mut needs = Needs { loader: all.interpreter.map(PathBuf::from), ..Needs::default() };
    for library in all.libraries.into_values() {
        match library.found() {
            true => needs.libraries.push(library.path),
            false => needs.missing.push(library.name),
        }
    }
    // A C library older than 2.34 opens these by itself, to look up a user or a host.
    for name in ["libnss_files.so.2", "libnss_dns.so.2"] {
        let nss = beside_libc(&needs.libraries, name).filter(|file| file.is_file());
        needs.libraries.extend(nss);
    }
    // A map has no order, and two builds must be alike.
    needs.libraries.sort();
    Ok(needs)
}

/// Returns the path of a file in the directory of the GNU C library, where its loader always looks.
pub fn beside_libc(libraries: &[PathBuf], name: &str) -> Option<PathBuf> {
    libraries
        .iter()
        .find(|library| library.ends_with("libc.so.6"))
        .map(|libc| libc.with_file_name(name))
}

/// The most that is read of a program: ours have about one megabyte.
const MOST: u64 = 256 << 20;

/// Returns the part of a program that the kernel and the loader map, as a complete program: without
/// the sections, which only linkers and debuggers read. Nothing, unless it is a 64-bit ELF program.
///
/// As strip(1) does; here without a process for each program, because `make step-NN` waits for it.
pub fn loaded(file: &File) -> Option<Vec<u8>> {
    let mut head = vec![0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    let header = Elf::parse_header(&head).ok()?;
    let size = u64::from(header.e_phentsize) * u64::from(header.e_phnum);
    let table_end = header.e_phoff.checked_add(size)?;
    let mut bytes = read(file, table_end)?;
    let context = Ctx::new(header.container().ok()?, header.endianness().ok()?);
    if !context.container.is_big() {
        return None;
    }
    let segments =
        ProgramHeader::parse(&bytes, header.e_phoff as usize, header.e_phnum.into(), context);
    let end = |segment: &ProgramHeader| segment.p_offset.checked_add(segment.p_filesz);
    let ends: Option<Vec<u64>> = segments.ok()?.iter().map(end).collect();
    bytes = read(file, ends?.into_iter().max()?.max(table_end))?;
    for field in NO_SECTIONS {
        bytes[field].fill(0);
    }
    Some(bytes)
}

/// The fields of the header of a 64-bit program that say where its sections are: e_shoff, e_shnum,
/// e_shstrndx.
const NO_SECTIONS: [std::ops::Range<usize>; 2] = [40..48, 60..64];

fn read(file: &File, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok().filter(|_| length <= MOST)?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
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
    fn the_loaded_part_of_this_test_is_smaller_and_runs() -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let program = std::env::current_exe()?;
        let bytes = loaded(&File::open(&program)?).context("it is an ELF program")?;
        assert!((bytes.len() as u64) < std::fs::metadata(&program)?.len());
        let dir = tempfile::tempdir()?;
        let copy = dir.path().join("copy");
        std::fs::write(&copy, bytes)?;
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755))?;
        // Another test's child may still hold the copy open for writing: "Text file busy".
        let run = || {
            std::process::Command::new("/bin/sh")
                .args(["-c", "exec \"$0\" --list"])
                .arg(&copy)
                .output()
        };
        let output = (0..20).find_map(|_| run().ok().filter(|output| output.status.success()));
        assert!(output.is_some_and(|output| !output.stdout.is_empty()));
        Ok(())
    }

    #[test]
    fn a_broken_program_has_no_loaded_part() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut bytes = std::fs::read("/bin/true")?;
        for break_it in [0..4, 32..40, 54..58] {
            bytes[break_it].fill(0xff);
            std::fs::write(dir.path().join("broken"), &bytes)?;
            assert_eq!(loaded(&File::open(dir.path().join("broken"))?), None);
        }
        assert_eq!(loaded(&File::open("/etc/passwd")?), None);
        Ok(())
    }

    #[test]
    fn a_text_is_no_program() {
        assert!(format(Path::new("/etc/passwd")).is_err());
        assert!(needs(Path::new("/etc/passwd")).is_err());
    }
}
