//! "Your turn": the exercises of a chapter. tools/practice knows them, and what the learner's tree
//! has of them.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The chapter's exercises, as `practice page NN` prints them, without its heading.
pub fn list(file: &Path) -> Result<String> {
    let step = file.parent().and_then(Path::file_name).context("a step's exercises.toml")?;
    let number = step.to_str().and_then(|step| step.get(..2)).context("a step's number")?;
    if !file.exists() {
        return Ok(String::new());
    }
    let output = practice(file).args(["page", number]).output();
    let output = output.context("practice: `make book` builds it")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The course's commit while an exercise is open: then the file in the working tree is a learner's.
pub fn course_commit(file: &Path) -> Option<String> {
    let open = practice(file).args(["status", "--quiet"]).stderr(Stdio::null()).status().ok()?;
    let commit = practice(file).arg("commit").output().ok().filter(|_| open.success())?;
    Some(String::from_utf8(commit.stdout).ok()?.trim().to_owned())
}

/// The program beside this one, at the top of the course in which `file` is.
fn practice(file: &Path) -> Command {
    let own = std::env::current_exe().unwrap_or_default();
    let mut command = Command::new(own.with_file_name("practice"));
    let steps = file.ancestors().find(|above| above.ends_with("steps"));
    command.current_dir(steps.and_then(Path::parent).unwrap_or(Path::new(".")));
    command
}
