//! What git knows: it keeps the course's version of every file, and the place for the learner's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The learner's working tree.
pub struct Git {
    top: PathBuf,
}

impl Git {
    /// The tree at `top`.
    ///
    /// # Errors
    /// It is not the top of a git repository with a commit.
    pub fn open(top: &Path) -> Result<Git> {
        let git = Git { top: top.to_owned() };
        let prefix = git.read(&["rev-parse", "--show-prefix"]).map_err(|error| {
            error.context(
                "practice needs git, which keeps the course's version of what you write\n\
                 hint: where git does not know this tree yet: git init && git add -A && git commit -m course",
            )
        })?;
        if !prefix.is_empty() {
            bail!(
                "this tree belongs to a git repository further up ({prefix} of it)\n\
                 hint: give it its own: git init && git add -A && git commit -m course"
            );
        }
        git.read(&["rev-parse", "--verify", "HEAD"]).context(
            "there is no commit to go back to\nhint: git add -A && git commit -m course",
        )?;
        Ok(git)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.top).args(arguments);
        command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null());
        command
    }

    /// The bytes that a git command prints.
    fn bytes(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = self.command(arguments).output().context("run git: is it installed?")?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&output.stderr);
            bail!("git {}: {}", arguments.join(" "), printed.trim());
        }
        Ok(output.stdout)
    }

    fn read(&self, arguments: &[&str]) -> Result<String> {
        let text = String::from_utf8(self.bytes(arguments)?).context("git: not UTF-8")?;
        Ok(text.trim_end().to_owned())
    }

    /// Where practice keeps what `make clean` must not reach.
    pub fn practice_directory(&self) -> Result<PathBuf> {
        Ok(self.top.join(self.read(&["rev-parse", "--git-path", "practice"])?))
    }

    /// The full name of a commit.
    pub fn commit(&self, name: &str) -> Result<String> {
        self.read(&["rev-parse", "--verify", "--end-of-options", &format!("{name}^{{commit}}")])
    }

    /// A file as it is in a commit; none where it is not there.
    pub fn file(&self, commit: &str, path: &Path) -> Result<Option<String>> {
        let name = format!("{commit}:{}", path.display());
        let there = self.command(&["cat-file", "-e", &name]).stderr(Stdio::null()).status();
        if !there.context("run git")?.success() {
            return Ok(None);
        }
        let text = String::from_utf8(self.bytes(&["cat-file", "blob", &name])?);
        text.map(Some).with_context(|| format!("{}: not UTF-8", path.display()))
    }

    /// The files below a directory in a commit.
    pub fn files(&self, commit: &str, below: &Path) -> Result<Vec<PathBuf>> {
        let below = format!("{}/", below.display());
        let names = self.read(&["ls-tree", "-r", "-z", "--name-only", commit, "--", &below])?;
        Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
    }

    /// Whether what lies below these directories differs from a commit.
    pub fn differs(&self, commit: &str, below: &[&str]) -> Result<bool> {
        let arguments = [&["diff", "--quiet", commit, "--"], below].concat();
        let status = self.command(&arguments).status().context("run git")?;
        Ok(!status.success())
    }

    /// Whether a file differs from the last commit, in the working tree or in what is staged.
    pub fn is_changed(&self, path: &Path) -> Result<bool> {
        let path = path.display().to_string();
        Ok(!self.read(&["status", "--porcelain", "--", &path])?.is_empty())
    }

    /// Whether something else than the last commit's version of a file is staged, and is not what
    /// the working tree has.
    pub fn is_staged_apart(&self, path: &Path) -> Result<bool> {
        let path = path.display().to_string();
        let status = self.read(&["status", "--porcelain", "--", &path])?;
        let mut columns = status.chars();
        let (staged, working) = (columns.next(), columns.next());
        Ok(staged.is_some_and(|c| c != ' ' && c != '?')
            && working.is_some_and(|c| c != ' ' && c != '?'))
    }

    /// Applies a patch to the files below `directory`, which is not a repository. Returns whether it
    /// fits.
    pub fn apply(&self, patch: &Path, directory: &Path) -> Result<bool> {
        let patch = self.top.join(patch);
        let mut command = Command::new("git");
        command.current_dir(directory).args(["apply", "--whitespace=nowarn"]).arg(patch);
        command.env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap_or(directory));
        let status = command.env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::null()).status();
        Ok(status.context("run git apply")?.success())
    }

    /// A text with what changed from `old` to `new`; none where both changed the same lines.
    pub fn merge(&self, text: &str, old: &str, new: &str) -> Result<Option<String>> {
        let scratch = tempfile::tempdir().context("mkdtemp")?;
        let mut merge = self.command(&["merge-file", "-p", "--quiet"]);
        for (name, text) in [("text", text), ("old", old), ("new", new)] {
            let path = scratch.path().join(name);
            std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
            merge.arg(path);
        }
        let output = merge.output().context("run git merge-file")?;
        let text = String::from_utf8(output.stdout).ok();
        Ok(text.filter(|_| output.status.success()))
    }

    /// Shows how `other` differs from `own`; the names are those that the reader sees.
    pub fn show_difference(&self, own: &Path, other: &Path, directory: &Path) -> Result<bool> {
        let color =
            if std::io::IsTerminal::is_terminal(&std::io::stdout()) { "always" } else { "never" };
        let mut command = Command::new("git");
        command.current_dir(directory);
        command.args(["--no-pager", "diff", "--no-index", "--no-prefix"]);
        command.arg(format!("--color={color}")).arg(own).arg(other).env("LC_ALL", "C");
        Ok(!command.status().context("run git diff")?.success())
    }

    /// Writes a commit's tree below `directory`.
    pub fn export(&self, commit: &str, directory: &Path) -> Result<()> {
        let mut archive = self.command(&["archive", commit]).stdout(Stdio::piped()).spawn()?;
        // As new as now, so that cargo notices what is other than before.
        let tar = Command::new("tar")
            .args(["-xmf", "-", "-C"])
            .arg(directory)
            .stdin(archive.stdout.take().context("git archive: no output")?)
            .status()
            .context("run tar")?;
        if !archive.wait()?.success() || !tar.success() {
            bail!("git archive {commit}: could not be unpacked in {}", directory.display());
        }
        Ok(())
    }
}
