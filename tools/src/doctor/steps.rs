//! The steps are asked: each is started with an empty root filesystem and a command that is not in
//! it. Exit code 127 then means that the container was made, up to the last call.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use common::{CHAPTERS, exit};
use tempfile::TempDir;

use super::report::{Finding, Verdict};

/// The command that no root filesystem of ours has.
const COMMAND: &str = "/no-such-program";

/// A container takes some hundredths of a second; a step that a learner is changing may take for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a trial needs: the programs, and an empty root filesystem that goes with this value.
pub struct Steps {
    programs: PathBuf,
    directory: TempDir,
}

impl Steps {
    /// Makes the root filesystem, in the directory for temporary files: nobody else can reach it.
    pub fn new() -> Result<Steps> {
        let own = std::env::current_exe().context("find the path of this program")?;
        let programs = own.parent().context("this program lies in no directory")?.to_owned();
        let mut only_ours = tempfile::Builder::new();
        only_ours.permissions(Permissions::from_mode(0o700));
        let directory = only_ours.tempdir().context("make a temporary directory")?;
        let steps = Steps { programs, directory };
        for path in ["", "proc", "dev", "sys", "tmp", "etc"].map(|name| steps.tree().join(name)) {
            fs::create_dir(&path).with_context(|| format!("mkdir {}", path.display()))?;
            fs::set_permissions(&path, Permissions::from_mode(0o755)).context("chmod")?;
        }
        // Step 09 mounts files of its own over these, where a tree has them.
        for name in ["hosts", "hostname", "resolv.conf"] {
            fs::write(steps.tree().join("etc").join(name), "").context("write to the tree")?;
        }
        Ok(steps)
    }

    fn tree(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    /// Starts the step of a chapter with these options.
    pub fn start(&self, chapter: usize, options: &[&str]) -> Trial {
        let step = CHAPTERS[chapter - 1].step;
        let program = self.programs.join(step);
        let start = || -> io::Result<(Child, File)> {
            let stderr = tempfile::tempfile()?;
            let mut command = Command::new(&program);
            command.args(options).arg(self.tree()).arg(COMMAND).env("LC_ALL", "C");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr.try_clone()?);
            Ok((command.spawn()?, stderr))
        };
        Trial { step, started: start() }
    }
}

/// A step under way.
pub struct Trial {
    step: &'static str,
    started: io::Result<(Child, File)>,
}

/// How a trial ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Whether the container was made.
    pub held: bool,
    /// The step's own error, or else its warning.
    pub what: String,
    /// The step's own hint.
    pub hint: Option<String>,
    /// Everything that it printed.
    pub text: String,
}

impl Trial {
    /// Waits for its end.
    pub fn finish(self) -> Outcome {
        let step = self.step;
        match self.started.and_then(|(child, stderr)| end(child, stderr)) {
            Ok((status, text)) => Outcome::read(status, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome {
                what: format!("{step} is not there: it was not built, or does not build"),
                hint: Some(format!("make step-{} shows why", &step[..2])),
                ..Outcome::default()
            },
            Err(error) => {
                Outcome { what: format!("{step} cannot be tried: {error}"), ..Outcome::default() }
            }
        }
    }
}

/// Waits, but not for ever. Standard error is a file, so that no process left over delays us.
fn end(mut child: Child, mut stderr: File) -> io::Result<(ExitStatus, String)> {
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if Instant::now() < deadline => sleep(Duration::from_millis(2)),
            None => {
                child.kill()?;
                child.wait()?;
                return Err(io::Error::other("it does not end"));
            }
        }
    };
    let mut text = Vec::new();
    stderr.rewind()?;
    stderr.read_to_end(&mut text)?;
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

impl Outcome {
    /// What the step printed: an error and its hint, or a warning and its hint.
    fn read(status: ExitStatus, text: &str) -> Outcome {
        let made = [exit::NOT_FOUND, exit::NOT_EXECUTABLE].map(|code| Some(code.into()));
        let held = made.contains(&status.code());
        let ended = || if held { String::new() } else { status.to_string() };
        let (what, hint) = words(text, held, "").unwrap_or_else(|| (ended(), None));
        Outcome { held, what, hint, text: text.to_owned() }
    }

    /// Only what concerns `subject`, where a container was made: another trial reports the rest.
    pub fn about(self, subject: &str) -> Outcome {
        if !self.held {
            return self;
        }
        let (what, hint) = words(&self.text, true, subject).unwrap_or_default();
        Outcome { what, hint, ..self }
    }

    /// A line of the report: what there `is` where the container was made, and the verdict
    /// `otherwise`.
    pub fn finding(self, subject: &str, is: &str, otherwise: Verdict) -> Finding {
        let verdict = match (self.held, self.what.is_empty()) {
            (true, true) => return Finding::ok(subject, is),
            (true, false) => Verdict::Limited,
            (false, _) => otherwise,
        };
        let cure = self.hint.unwrap_or_else(|| "make vm: the course in a virtual machine".into());
        Finding::bad(verdict, subject, self.what, cure)
    }
}

/// The first error, or warning that contains `subject` where the container is `made`, and its hint.
fn words(text: &str, made: bool, subject: &str) -> Option<(String, Option<String>)> {
    let word = if made { "warning: " } else { "Error: " };
    let ours = |line: &str| line.starts_with(word) && line.contains(subject);
    let mut lines = text.lines().skip_while(|line| !ours(line));
    let what = lines.next()?[word.len()..].to_owned();
    Some((what, lines.next().and_then(|line| line.strip_prefix("hint: ")).map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn read(code: i32, text: &str) -> Outcome {
        Outcome::read(ExitStatus::from_raw(code << 8), text)
    }

    #[test]
    fn a_missing_command_means_that_there_is_a_container() {
        let outcome = read(127, "Error: exec /no-such-program: No such file\nhint: add it\n");
        assert!(outcome.held && outcome.what.is_empty() && outcome.hint.is_none());
        let outcome = read(127, "warning: no /proc\nhint: umount\nError: exec\nhint: add it\n");
        assert_eq!(outcome.what, "no /proc");
        assert_eq!(outcome.hint.as_deref(), Some("umount"));
        assert_eq!(outcome.about("overlay").what, "");
    }

    #[test]
    fn a_failure_is_the_steps_own_words() {
        let outcome = read(125, "warning: x\nError: clone3: EPERM\nhint: sysctl\n");
        assert!(!outcome.held);
        assert_eq!(outcome.what, "clone3: EPERM");
        assert_eq!(outcome.hint.as_deref(), Some("sysctl"));
        assert_eq!(read(101, "thread panicked\n").what, "exit status: 101");
    }
}
