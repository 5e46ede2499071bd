//! What `steps/NN-name/exercises.toml` declares: the one place from which the commands, the page
//! "Your turn" and the tests come.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A chapter and what there is to do in it.
pub struct Chapter {
    /// The step, as `06-mount`.
    pub step: String,
    /// Its exercises, in the order in which they come.
    pub exercises: Vec<Exercise>,
}

/// The three kinds of exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Functions of the chapter lose their bodies, and the learner writes them.
    Write,
    /// Something is broken, and the learner finds what.
    Bug,
    /// Something that the course's step cannot do.
    Extend,
}

/// One exercise.
pub struct Exercise {
    /// Which of the three.
    pub kind: Kind,
    /// What the file says about it.
    pub text: Text,
}

/// What the file says about an exercise.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Text {
    /// Its name on the command line.
    pub name: String,
    /// What it is about, in a few words.
    pub title: String,
    /// 1 to 5.
    pub difficulty: u8,
    /// What a careful reader needs.
    pub minutes: u32,
    /// What to do; for a bug, what the user of this container complained about.
    pub task: String,
    /// What is written: `die_with`, `Container::wait`, `map.rs FromStr for IdMap::from_str`.
    #[serde(default)]
    pub functions: Vec<String>,
    /// The main begins again as that of the step before.
    #[serde(default)]
    pub main: bool,
    /// Comments that stay in the hollow function, to mark the way.
    #[serde(default)]
    pub way: Vec<String>,
    /// The claims that judge, in the order in which one gets them right; for a bug, those that fail.
    pub claims: Vec<String>,
    /// From the question to ask, over the manual page, to nearly the line.
    pub hints: Vec<String>,
    /// Shown when it is solved.
    pub explanation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    write: Vec<Text>,
    #[serde(default)]
    bug: Vec<Text>,
    #[serde(default)]
    extend: Vec<Text>,
}

/// The names of all steps below `top`, in order.
pub fn steps(top: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(top.join("steps")).context("read steps/: run this in the course")?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| number(name).is_some())
        .collect();
    names.sort();
    Ok(names)
}

/// `06` of `06-mount`.
fn number(step: &str) -> Option<&str> {
    let (number, _) = step.split_once('-')?;
    (number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// The step that the learner calls `06`, `6` or `06-mount`.
pub fn step(top: &Path, named: &str) -> Result<String> {
    let steps = steps(top)?;
    let meant = |step: &&String| {
        let number = number(step).unwrap_or_default();
        *step == named || number == named || number.trim_start_matches('0') == named
    };
    match steps.iter().find(meant) {
        Some(step) => Ok(step.clone()),
        None => bail!("there is no chapter {named:?}; there are {}", steps.join(", ")),
    }
}

impl Chapter {
    /// Reads the declaration of `step`.
    pub fn read(top: &Path, step: &str) -> Result<Chapter> {
        let path = file(top, step);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let file: File = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let kinds = [(Kind::Write, file.write), (Kind::Bug, file.bug), (Kind::Extend, file.extend)];
        let all = kinds
            .into_iter()
            .flat_map(|(kind, texts)| texts.into_iter().map(move |text| Exercise { kind, text }));
        Ok(Chapter { step: step.to_owned(), exercises: all.collect() })
    }

    /// All chapters that declare exercises.
    pub fn all(top: &Path) -> Result<Vec<Chapter>> {
        let steps = steps(top)?;
        let declared = steps.iter().filter(|step| file(top, step).exists());
        declared.map(|step| Chapter::read(top, step)).collect()
    }

    /// `06`
    pub fn number(&self) -> &str {
        number(&self.step).unwrap_or_default()
    }

    /// The exercises of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Exercise> {
        self.exercises.iter().filter(move |exercise| exercise.kind == kind)
    }

    /// The exercise of this name.
    pub fn exercise(&self, name: &str) -> Result<&Exercise> {
        let found = self.exercises.iter().find(|exercise| exercise.text.name == name);
        found.with_context(|| {
            let names = self.exercises.iter().filter(|exercise| exercise.kind != Kind::Bug);
            let names: Vec<&str> = names.map(|exercise| exercise.text.name.as_str()).collect();
            format!(
                "chapter {} has no exercise {name:?}; it has {}",
                self.number(),
                names.join(", ")
            )
        })
    }

    /// The write exercise of everything that the chapter's library has.
    pub fn whole(&self) -> Exercise {
        let writes: Vec<&Text> = self.of(Kind::Write).map(|exercise| &exercise.text).collect();
        let flat = |part: fn(&Text) -> &Vec<String>| -> Vec<String> {
            writes.iter().flat_map(|text| part(text).iter().cloned()).collect()
        };
        let mut functions = flat(|text| &text.functions);
        functions.sort();
        functions.dedup();
        let tasks: Vec<&str> = writes.iter().map(|text| text.task.trim()).collect();
        let text = Text {
            name: "all".into(),
            title: "the whole library of the chapter".into(),
            difficulty: 5,
            minutes: writes.iter().map(|text| text.minutes).sum(),
            task: tasks.join("\n\n"),
            functions,
            main: false,
            way: Vec::new(),
            claims: Vec::new(),
            hints: flat(|text| &text.hints),
            explanation: "The chapter's mechanism is yours now; all later steps run on it.".into(),
        };
        Exercise { kind: Kind::Write, text }
    }

    /// How the learner calls an exercise: bugs by their place, because a name would give them away.
    pub fn label(&self, exercise: &Exercise) -> String {
        match exercise.kind {
            Kind::Bug => {
                let mut bugs = self.of(Kind::Bug);
                let place = bugs.position(|bug| bug.text.name == exercise.text.name);
                format!("bug {}", place.map_or(0, |place| place + 1))
            }
            _ => exercise.text.name.clone(),
        }
    }
}

impl Exercise {
    /// Its patch: the bug, or the solution of an extension.
    pub fn patch(&self, top: &Path, step: &str) -> PathBuf {
        let directory = top.join("steps").join(step).join("exercises");
        directory.join(format!("{}.patch", self.text.name))
    }

    /// The files, from the top of the course, in which it asks for functions.
    pub fn places(&self, step: &str) -> Vec<(PathBuf, &str)> {
        let places = self.text.functions.iter().map(|function| {
            let (file, name) = match function.split_once(' ') {
                Some((file, name)) if file.ends_with(".rs") => (file, name),
                _ => ("lib.rs", function.as_str()),
            };
            (Path::new("steps").join(step).join("src").join(file), name)
        });
        places.collect()
    }

    /// What it is about; a bug has only a story.
    pub fn subject(&self) -> &str {
        match self.kind {
            Kind::Bug => self.text.task.trim(),
            _ => &self.text.title,
        }
    }

    /// `★★`
    pub fn stars(&self) -> String {
        "★".repeat(self.text.difficulty.into())
    }
}

fn file(top: &Path, step: &str) -> PathBuf {
    top.join("steps").join(step).join("exercises.toml")
}
