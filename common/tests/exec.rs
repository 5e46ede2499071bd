//! exec ends as env(1) does: the same exit code, and the same answer of the kernel.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// In the place of a COMMAND's first word: this program executes the rest.
const EXECUTE: &str = "--execute";

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().collect();
    if words.get(1).is_some_and(|word| word == EXECUTE) {
        let Err(error) = common::exec_keeping_path(&words[2..]);
        return common::report(&error).into();
    }
    let scratch = tempfile::tempdir().expect("a directory");
    fill(scratch.path()).expect("files");
    let different = commands(scratch.path()).iter().filter(|command| differs(command)).count();
    println!("{different} commands ended otherwise than under env(1)");
    ExitCode::from(u8::from(different > 0))
}

/// A PATH, and the words of a command.
type Case = (String, Vec<String>);

fn fill(dir: &Path) -> std::io::Result<()> {
    let file = |name: &str, mode, text: &str| {
        fs::create_dir_all(dir.join(name).parent().expect("a parent"))?;
        fs::write(dir.join(name), text)?;
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode))
    };
    file("closed/tool", 0o644, "#!/bin/true\n")?;
    file("open/tool", 0o755, "#!/bin/sh\nexit 3\n")?;
    file("orphan", 0o755, "#!/no/such/shell\n")?;
    file("plain", 0o644, "text")?;
    symlink("loop", dir.join("loop"))?;
    symlink("/no/such", dir.join("dangling"))?;
    mkfifo(&dir.join("fifo"), Mode::from_bits_truncate(0o777))?;
    Ok(())
}

fn commands(dir: &Path) -> Vec<Case> {
    let at = |name: &str| dir.join(name).display().to_string();
    let usual = "/usr/bin:/bin".to_owned();
    let alone = |word: String| (usual.clone(), vec![word]);
    let mut cases: Vec<Case> =
        ["", "/bin/ls/", "/etc/passwd", "/etc/passwd/x", "/etc", ".", "./", "/", "no-such"]
            .into_iter()
            .chain([
                "/no/such",
                "true",
                "false",
                "/dev/null",
                "/bin/true",
                "a b",
                "\u{e4}",
                "..",
                "usr/bin/true",
            ])
            .map(|word| alone(word.into()))
            .collect();
    cases.extend(
        ["orphan", "plain", "loop", "dangling", "fifo", "open/tool"].map(|name| alone(at(name))),
    );
    cases.extend([255, 256, 300].map(|length| alone("x".repeat(length))));
    cases.extend([255, 256, 4096].map(|length| alone(format!("/{}", "x".repeat(length)))));
    let paths = [
        "closed:open",
        "closed",
        "closed:absent",
        "absent:open",
        "plain:absent",
        "absent:plain",
        "plain",
        "loop",
    ];
    cases.extend(paths.map(|names| {
        let path: Vec<_> = names.split(':').map(at).collect();
        (path.join(":"), vec!["tool".into()])
    }));
    cases
}

/// Whether the command ends otherwise here than under env(1), which is printed.
fn differs((path, words): &Case) -> bool {
    let run = |program: &OsStr, first: &[&str]| {
        let mut command = Command::new(program);
        command.args(first).args(words).env("PATH", path).current_dir("/");
        ending(&command.output().expect("it starts"))
    };
    let own = env::current_exe().expect("this program");
    let (ours, theirs) = (run(own.as_ref(), &[EXECUTE]), run("/usr/bin/env".as_ref(), &["--"]));
    let short: String = words[0].chars().take(40).collect();
    if ours != theirs {
        println!("{short:?} with PATH={path}: {ours:?}, env(1): {theirs:?}");
    }
    ours != theirs
}

/// The exit code, and what the kernel answered: the end of the first line of an error.
fn ending(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    let answer = text.lines().next().and_then(|line| line.rsplit(": ").next());
    (output.status.code(), answer.unwrap_or_default().to_owned())
}
