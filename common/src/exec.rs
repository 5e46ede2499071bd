//! The last act of every step: this process becomes the payload.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use goblin::elf::Elf;
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::execve;

use crate::{Failure, exit, status, strerror};

/// Where programs are looked up: the caller's own `PATH` says nothing about another root.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Executes `command` in place of this process, without one the rootfs's bash, else its sh
/// (execve(2)).
///
/// # Errors
/// 127 when the program or its loader is not there, 126 when the kernel will not execute it.
pub fn exec(command: &[OsString]) -> Result<Infallible> {
    // SAFETY: SIG_DFL runs no code of ours. Rust's runtime ignores SIGPIPE, and that would be
    // inherited: `yes | head`.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.context("signal SIGPIPE")?;
    let Some(program) = command.first() else {
        let bash = candidates("bash".as_ref()).iter().any(|file| file.symlink_metadata().is_ok());
        return attempt(if bash { "bash" } else { "sh" }.as_ref(), &[]);
    };
    attempt(program, &command[1..])
}

/// Tries each place where `program` may be, as execvp(3) does, and explains the failure that says
/// most.
fn attempt(program: &OsStr, args: &[OsString]) -> Result<Infallible> {
    let argv = [program].into_iter().chain(args.iter().map(OsString::as_os_str)).map(c_string);
    let argv = argv.collect::<Result<Vec<_>>>()?;
    let envp = environment()?;
    let mut refused = None;
    status::starting();
    for file in candidates(program) {
        let Err(errno) = execve(&c_string(file.as_os_str())?, &argv, &envp);
        if file.symlink_metadata().is_ok() {
            refused.get_or_insert((file, errno));
        }
    }
    status::not_started();
    Err(match refused {
        Some((file, errno)) => explain(&file, errno),
        None => absent(program),
    })
}

fn candidates(program: &OsStr) -> Vec<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return vec![program.into()];
    }
    env::split_paths(PATH).map(|directory| directory.join(program)).collect()
}

fn environment() -> Result<Vec<CString>> {
    let inherited = env::vars_os().filter(|(name, _)| name != "PATH");
    inherited.chain([("PATH".into(), PATH.into())]).map(|(name, value)| pair(name, value)).collect()
}

fn pair(mut name: OsString, value: OsString) -> Result<CString> {
    name.push("=");
    name.push(value);
    c_string(&name)
}

fn c_string(text: &OsStr) -> Result<CString> {
    CString::new(text.to_owned().into_vec()).with_context(|| format!("exec {}", text.display()))
}

/// Nothing of that name is in the new root.
fn absent(program: &OsStr) -> anyhow::Error {
    let name = program.display();
    let failure =
        Failure::new(format!("exec {name}: {}", strerror(Errno::ENOENT))).code(exit::NOT_FOUND);
    failure
        .hint(format!(
            "the rootfs has no {name}; `target/debug/rootfs --add {name}` copies this machine's"
        ))
        .into()
}

/// The file is there and the kernel will not execute it. ENOENT then speaks of another file, the
/// one that runs it.
fn explain(file: &Path, errno: Errno) -> anyhow::Error {
    let code = if errno == Errno::ENOENT { exit::NOT_FOUND } else { exit::NOT_EXECUTABLE };
    let what = format!("exec {}", file.display());
    match (errno, interpreter(file)) {
        (Errno::ENOENT, Some(loader)) => Failure::new(format!("{what}: {}", strerror(errno))).hint(format!(
            "{} is there, but what runs it is not: copy {loader} into the rootfs, and the libraries that ldd(1) lists",
            file.display()
        )),
        _ => Failure::new(what).because(errno),
    }
    .code(code)
    .into()
}

/// The program that the kernel would start to run `file`: an ELF file's loader (PT_INTERP), a
/// script's `#!` line.
fn interpreter(file: &Path) -> Option<String> {
    let content = fs::read(file).ok()?;
    if let Some(line) = content.strip_prefix(b"#!") {
        let line = String::from_utf8_lossy(line.split(|&byte| byte == b'\n').next()?).into_owned();
        return line.split_whitespace().next().map(str::to_owned);
    }
    Elf::parse(&content).ok()?.interpreter.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_of_a_program_and_of_a_script() {
        let own = interpreter(&env::current_exe().unwrap());
        assert!(own.is_some_and(|loader| loader.contains("/ld-")));
        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(&script, "#! /usr/bin/python3 -E\n").unwrap();
        assert_eq!(interpreter(script.path()).as_deref(), Some("/usr/bin/python3"));
    }

    #[test]
    fn a_name_with_a_slash_is_not_looked_up() {
        assert_eq!(candidates("./a".as_ref()), [PathBuf::from("./a")]);
        assert_eq!(candidates("ls".as_ref())[3], PathBuf::from("/usr/bin/ls"));
    }
}
