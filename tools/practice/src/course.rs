//! The learner's tree, the course's version of it, and the way between the two.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::declaration::{Chapter, Exercise, Kind};
use crate::git::Git;
use crate::hollow;
use crate::state::{Open, Store, key, read, write};

/// The learner's tree and its memory.
pub struct Course {
    /// The top of the tree.
    pub top: PathBuf,
    /// What git knows.
    pub git: Git,
    /// What practice remembers.
    pub store: Store,
}

impl Course {
    /// The tree in which this program is run.
    pub fn open() -> Result<Course> {
        let top = std::env::current_dir().context("getcwd")?;
        ensure!(top.join("steps").is_dir(), "{} is not the course: no steps/", top.display());
        let git = Git::open(&top)?;
        let store = Store::open(&git.practice_directory()?)?;
        Ok(Course { top, git, store })
    }

    /// The course's commit: the one that was recorded, or the present one.
    pub fn commit(&self) -> Result<String> {
        let recorded = self.store.state.course.as_deref();
        self.git.commit(recorded.unwrap_or("HEAD")).context("the course's commit")
    }

    /// Records the course's commit at the first practice.
    fn record_commit(&mut self) -> Result<()> {
        self.store.state.course = Some(self.commit()?);
        self.store.save()
    }

    /// A file as the course has it.
    pub fn original(&self, path: &Path) -> Result<String> {
        let (commit, text) = (self.commit()?, self.git.file(&self.commit()?, path)?);
        text.with_context(|| {
            format!(
                "the course's commit {commit:.12} has no {}\nhint: after git pull, name the \
                 course's new commit: make course COMMIT=origin/main",
                path.display()
            )
        })
    }

    /// The chapter that the learner calls `named`.
    pub fn chapter(&self, named: &str) -> Result<Chapter> {
        let step = crate::declaration::step(&self.top, named)?;
        Chapter::read(&self.top, &step)
    }

    /// The open exercise with its chapter.
    pub fn opened(&self) -> Result<Option<(Chapter, Exercise)>> {
        let Some(open) = &self.store.state.open else { return Ok(None) };
        let chapter = Chapter::read(&self.top, &open.step)?;
        let exercise = exercise(&chapter, &open.exercise)?;
        Ok(Some((chapter, exercise)))
    }

    /// The open exercise, if it is of this chapter.
    pub fn opened_in(&self, named: &str) -> Result<(Chapter, Exercise)> {
        let chapter = self.chapter(named)?;
        let number = chapter.number().to_owned();
        match self.opened()? {
            Some((open, exercise)) if open.step == chapter.step => Ok((open, exercise)),
            Some((open, exercise)) => bail!(
                "the exercise that is open is {} {}, not one of chapter {number}",
                open.number(),
                open.label(&exercise)
            ),
            None => bail!(
                "no exercise is open\nhint: make practice-{number} begins one, make bug-{number} hides a bug"
            ),
        }
    }

    /// All files of a chapter that the learner writes, in the tree and in the course.
    pub fn files(&self, step: &str) -> Result<Vec<PathBuf>> {
        let source = Path::new("steps").join(step).join("src");
        let mut files = self.git.files(&self.commit()?, &source)?;
        files.push(Path::new("steps").join(step).join("Cargo.toml"));
        let mut directories = vec![source];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(self.top.join(&directory)).into_iter().flatten() {
                let entry = entry.with_context(|| format!("read {}", directory.display()))?;
                let path = directory.join(entry.file_name());
                match entry.file_type()? {
                    it if it.is_dir() => directories.push(path),
                    it if it.is_file() && path.extension().is_some_and(|end| end == "rs") => {
                        files.push(path);
                    }
                    _ => {}
                }
            }
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Fails when a file has changes that are neither committed nor of a solved exercise.
    fn ensure_nothing_is_lost(&self, files: &[PathBuf]) -> Result<()> {
        for path in files {
            if self.git.is_staged_apart(path)? {
                bail!(
                    "{}: what is staged differs from the file\nhint: git commit it, or git restore --staged it",
                    path.display()
                );
            }
            let settled = fs::read(self.store.settled(path)).ok();
            let own = settled.is_some() && settled == fs::read(self.top.join(path)).ok();
            if !own && self.git.is_changed(path)? {
                bail!(
                    "{} has changes that are not committed\nhint: git commit them, or put them aside with git stash",
                    path.display()
                );
            }
        }
        Ok(())
    }

    /// Begins an exercise: `replace` changes what is in these files, all at once.
    pub fn begin(
        &mut self,
        chapter: &Chapter,
        exercise: &Exercise,
        files: Vec<PathBuf>,
        replace: impl FnOnce(&Course) -> Result<Vec<(PathBuf, String)>>,
    ) -> Result<()> {
        self.settle()?;
        self.ensure_nothing_is_lost(&files)?;
        if self.store.state.course.is_none() {
            self.record_commit()?;
        }
        let replaced = replace(self)?;
        let _ = fs::remove_dir_all(self.store.directory.join("before"));
        for path in files.iter().filter(|path| self.top.join(path).exists()) {
            write(&self.store.before(path), read(&self.top.join(path))?)?;
        }
        self.store.state.open = Some(Open {
            step: chapter.step.clone(),
            exercise: exercise.text.name.clone(),
            files,
            solved: false,
            in_courses_text: false,
            course: self.store.state.course.clone(),
        });
        self.store.state.hints.remove(&key(chapter, exercise));
        self.store.save()?;
        let written =
            replaced.iter().try_for_each(|(path, text)| write(&self.top.join(path), text));
        if written.is_err() {
            self.store.state.open = None; // what was not taken out is not to be written
            for (path, _) in &replaced {
                let _ = read(&self.store.before(path))
                    .and_then(|before| write(&self.top.join(path), before));
            }
            self.store.save()?;
        }
        written
    }

    /// Puts an exercise that was solved behind us: its text stays in the tree, and a copy is kept.
    ///
    /// # Errors
    /// An exercise is open that has not been solved.
    fn settle(&mut self) -> Result<()> {
        let Some((chapter, exercise)) = self.opened()? else { return Ok(()) };
        let open = self.store.state.open.clone().context("an open exercise")?;
        let (number, label) = (chapter.number(), chapter.label(&exercise));
        if !open.solved {
            bail!(
                "{number} {label} is open: {}\nhint: make check-{number} judges it, make reset-{number} gives it up",
                exercise.subject()
            );
        }
        self.store.keep(&self.top, &open.files, &kept_name(&open))?;
        for path in open.files.iter().filter(|path| self.top.join(path).exists()) {
            write(&self.store.settled(path), read(&self.top.join(path))?)?;
        }
        self.store.state.open = None;
        self.store.save()
    }

    /// Notes that the open exercise is in the course's version of its files.
    pub fn begun_in_courses_text(&mut self) -> Result<()> {
        self.store.state.open.as_mut().context("an open exercise")?.in_courses_text = true;
        self.store.save()
    }

    /// Marks the open exercise as solved, and takes away the line that kept warnings away. Where the
    /// course's version took the place of the learner's, theirs comes back.
    pub fn solve(&mut self) -> Result<()> {
        let Some((chapter, exercise)) = self.opened()? else { return Ok(()) };
        let key = key(&chapter, &exercise);
        let open = self.store.state.open.as_mut().context("an open exercise")?;
        open.solved = true;
        let open = open.clone();
        self.store.state.solved.insert(key);
        for path in open.files.iter().map(|path| self.top.join(path)).filter(|path| path.exists()) {
            let text = read(&path)?;
            let without = hollow::without_allowance(&text);
            if without != text {
                write(&path, without)?;
            }
        }
        self.store.keep(&self.top, &open.files, &kept_name(&open))?;
        for path in open.files.iter().filter(|_| open.in_courses_text) {
            write(&self.top.join(path), read(&self.store.before(path))?)?;
        }
        self.store.save()
    }

    /// Gives the open exercise up: its files are as before it, with the course's functions. Returns
    /// where the learner's version is kept.
    pub fn reset(&mut self) -> Result<PathBuf> {
        let (_, exercise) = self.opened()?.context("no exercise is open")?;
        let open = self.store.state.open.clone().context("an open exercise")?;
        let mut files = open.files.clone();
        if exercise.kind == Kind::Extend {
            files = [files, self.files(&open.step)?].concat(); // new ones go as well
            files.sort();
            files.dedup();
        }
        let kept = self.store.keep(&self.top, &files, &kept_name(&open))?;
        for path in &files {
            let before = self.store.before(path);
            match before.exists() {
                true => write(&self.top.join(path), self.with_course(&exercise, &open, path)?)?,
                false if self.top.join(path).exists() => {
                    fs::remove_file(self.top.join(path))
                        .with_context(|| format!("remove {}", path.display()))?;
                }
                false => {}
            }
        }
        self.store.state.open = None;
        self.store.save()?;
        Ok(kept)
    }

    /// A file as it was before the exercise; what the exercise asked for is the course's.
    fn with_course(&self, exercise: &Exercise, open: &Open, path: &Path) -> Result<String> {
        let before = self.brought_forward(open, path)?;
        let main = Path::new("steps").join(&open.step).join("src/main.rs");
        if exercise.text.main && *path == main {
            return self.original(path);
        }
        let places = exercise.places(&open.step);
        let functions: Vec<&str> =
            places.iter().filter(|(file, _)| file == path).map(|(_, name)| *name).collect();
        match functions.is_empty() {
            true => Ok(before),
            false => hollow::fill(&before, &self.original(path)?, &functions),
        }
    }

    /// A file as it was before the exercise, with what has become of the course since then.
    fn brought_forward(&self, open: &Open, path: &Path) -> Result<String> {
        let before = read(&self.store.before(path))?;
        let Some(then) = &open.course else { return Ok(before) };
        match (self.git.file(then, path)?, self.git.file(&self.commit()?, path)?) {
            (Some(old), Some(new)) if old != new => {
                Ok(self.git.merge(&before, &old, &new)?.unwrap_or(before))
            }
            _ => Ok(before),
        }
    }

    /// All files of a chapter as the course has them. Returns where the learner's are kept.
    pub fn reset_chapter(&mut self, chapter: &Chapter) -> Result<PathBuf> {
        let files = self.files(&chapter.step)?;
        let kept = self.store.keep(&self.top, &files, &format!("{}-chapter", chapter.step))?;
        for path in &files {
            match self.git.file(&self.commit()?, path)? {
                Some(text) => write(&self.top.join(path), text)?,
                None => fs::remove_file(self.top.join(path))
                    .with_context(|| format!("remove {}", path.display()))?,
            }
        }
        if self.store.state.open.as_ref().is_some_and(|open| open.step == chapter.step) {
            self.store.state.open = None;
        }
        self.store.save()?;
        Ok(kept)
    }
}

/// An exercise by the name in the memory; `all` is made of the others.
pub fn exercise(chapter: &Chapter, name: &str) -> Result<Exercise> {
    match name {
        "all" => Ok(chapter.whole()),
        name => {
            let found = chapter.exercise(name)?;
            Ok(Exercise { kind: found.kind, text: found.text.clone() })
        }
    }
}

fn kept_name(open: &Open) -> String {
    format!("{}-{}", open.step, open.exercise)
}
