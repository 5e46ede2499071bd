//! The last act of every step: this process becomes the payload.

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goblin::elf::program_header::PT_INTERP;
use goblin::elf::{Elf, ProgramHeader};
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::execve;

use crate::{Failure, Operation, exit, machine, origin, status};

/// Where programs are looked up, and the payload's `PATH`, unless another one was chosen for the
/// container.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Executes `command` in place of this process; without a command, the rootfs's bash, else its sh
/// (execve(2)). `PATH` is a default one, because the caller's was made for another root.
///
/// # Errors
/// Exit code 127 when the program or its loader does not exist (ENOENT), 126 when the kernel
/// refuses to execute it, as with env(1).
pub fn exec(command: &[OsString]) -> Result<Infallible> {
    exec_with_path(command, PATH.as_ref())
}

/// Executes `command` as [`exec`] does, with the `PATH` that the environment has, where it has one:
/// for an environment that was made for the container.
///
/// # Errors
/// As [`exec`].
pub fn exec_keeping_path(command: &[OsString]) -> Result<Infallible> {
    exec_with_path(command, &env::var_os("PATH").unwrap_or_else(|| PATH.into()))
}

fn exec_with_path(command: &[OsString], path: &OsStr) -> Result<Infallible> {
    // SAFETY: SIG_DFL runs no code of ours. Rust's runtime ignores SIGPIPE, and the payload would
    // inherit that: `yes | head` would not end quietly.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.context("signal SIGPIPE")?;
    let shell = command.is_empty().then(|| default_shell(path));
    let command = shell.as_ref().map_or(command, std::slice::from_ref);
    let argv = command.iter().map(|word| c_string(word)).collect::<Result<Vec<_>>>()?;
    let envp = environment(path)?;
    status::starting();
    let failure = attempt(&command[0], path, &argv, &envp)?;
    status::not_started();
    Err(failure.into())
}

fn default_shell(path: &OsStr) -> OsString {
    let bash = candidates("bash".as_ref(), path).iter().any(|file| file.symlink_metadata().is_ok());
    if bash { "bash".into() } else { "sh".into() }
}

/// Tries each place where `program` may be, as execvp(3) does, and returns the failure that says
/// most. A file that is not a program is not handed to a shell.
fn attempt(program: &OsStr, path: &OsStr, argv: &[CString], envp: &[CString]) -> Result<Failure> {
    let mut refused = None;
    let mut last = Errno::ENOENT;
    for file in candidates(program, path) {
        let Err(errno) = execve(&c_string(file.as_os_str())?, argv, envp);
        match errno {
            Errno::EACCES => drop(refused.get_or_insert((file, errno))),
            Errno::ENOENT if file.symlink_metadata().is_err() => {}
            Errno::ENOENT => refused = refused.or(Some((file, errno))),
            Errno::ENOTDIR if !has_slash(program) => {}
            _ => return Ok(explain(&file, errno)),
        }
        last = errno;
    }
    Ok(refused.map_or_else(|| absent(program, last), |(file, errno)| explain(&file, errno)))
}

fn candidates(program: &OsStr, path: &OsStr) -> Vec<PathBuf> {
    if has_slash(program) || program.is_empty() {
        return vec![program.into()];
    }
    env::split_paths(path).map(|directory| directory.join(program)).collect()
}

fn has_slash(program: &OsStr) -> bool {
    program.as_bytes().contains(&b'/')
}

fn environment(path: &OsStr) -> Result<Vec<CString>> {
    let inherited = env::vars_os().filter(|(name, _)| name != "PATH");
    inherited.chain([("PATH".into(), path.into())]).map(|(name, value)| pair(name, value)).collect()
}

fn pair(mut name: OsString, value: OsString) -> Result<CString> {
    name.push("=");
    name.push(value);
    c_string(&name)
}

fn c_string(text: &OsStr) -> Result<CString> {
    CString::new(text.to_owned().into_vec()).with_context(|| format!("exec {}", text.display()))
}

/// No file of that name is in the new root.
fn absent(program: &OsStr, errno: Errno) -> Failure {
    if program.is_empty() {
        let failure = Failure::new("exec ''").because(errno).code(exit::NOT_FOUND);
        return failure.hint("the command is an empty word: name a program");
    }
    let failure = refusal(program.as_ref(), errno);
    if errno == Errno::ENOENT { failure.hint(origin::how_to_add(program)) } else { failure }
}

/// The file exists and the kernel refuses to execute it. ENOENT then speaks of another file, the
/// one that runs it.
fn explain(file: &Path, errno: Errno) -> Failure {
    let failure = refusal(file, errno);
    let loader = interpreter(file).filter(|loader| errno == Errno::ENOENT && !loader.exists());
    match loader {
        Some(loader) => failure.hint(format!(
            "{} exists, but what runs it does not: copy {} into the rootfs, and the libraries that ldd(1) lists",
            file.display(),
            loader.display()
        )),
        None => failure.of(Operation::Exec).on(file),
    }
}

fn refusal(file: &Path, errno: Errno) -> Failure {
    let code = if errno == Errno::ENOENT { exit::NOT_FOUND } else { exit::NOT_EXECUTABLE };
    Failure::new(format!("exec {}", file.display())).because(errno).code(code)
}

/// The program that the kernel would start to run `file`: an ELF file's loader (PT_INTERP), or that
/// of a script's `#!` line.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let head = machine::head(file)?;
    let name = match head.strip_prefix(b"#!") {
        Some(line) => {
            let line = line.split(|&byte| byte == b'\n').next()?.trim_ascii_start();
            line.split(u8::is_ascii_whitespace).next()?
        }
        None => elf_loader(&head)?.strip_suffix(b"\0")?,
    };
    Some(OsStr::from_bytes(name).into())
}

/// The head of a file is enough: the program headers stand at its beginning, and the name of the
/// loader follows them.
fn elf_loader(head: &[u8]) -> Option<&[u8]> {
    let header = Elf::parse_header(head).ok()?;
    let context = goblin::container::Ctx::new(header.container().ok()?, header.endianness().ok()?);
    let (offset, count) = (header.e_phoff.try_into().ok()?, header.e_phnum.into());
    let headers = ProgramHeader::parse(head, offset, count, context).ok()?;
    let loader = headers.iter().find(|header| header.p_type == PT_INTERP)?;
    head.get(loader.file_range())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_interpreter_of_a_program_and_of_a_script() {
        let own = interpreter(&env::current_exe().unwrap()).unwrap();
        assert!(own.is_file() && own.display().to_string().contains("/ld-"), "{}", own.display());
        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(&script, "#! /usr/bin/python3 -E\n").unwrap();
        assert_eq!(interpreter(script.path()), Some("/usr/bin/python3".into()));
        fs::write(&script, b"\x7fELF").unwrap();
        assert_eq!(interpreter(script.path()), None);
    }

    #[test]
    fn a_name_with_a_slash_is_not_looked_up() {
        let candidates = |name: &str| candidates(name.as_ref(), "/a:/b".as_ref());
        assert_eq!(candidates("./a"), [PathBuf::from("./a")]);
        assert_eq!(candidates("ls"), [PathBuf::from("/a/ls"), "/b/ls".into()]);
    }
}
