//! A trial: something that a step does, done by a child of its own, which then says what the step
//! would have said.

use std::fmt;
use std::io;
use std::process::{Child, Command, ExitCode, Stdio};
use std::str::FromStr;

use anyhow::Result;

use super::report::{Finding, Verdict};
use super::{CHAPTERS, cgroups, containers, ids};

/// What can be tried, by the name that `doctor --try` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The container of a chapter, up to where it would execute its command: `01` to `09`.
    Chapter(usize),
    /// A bridge in a network namespace: `bridge`.
    Bridge,
    /// More than one id for a container: `ids`.
    Ids,
    /// Whether a group could be made that has this controller: `cpu`, `memory`, `pids`.
    Limit(&'static str),
}

impl Trial {
    /// Makes the trial in this process, which is of no other use afterwards.
    ///
    /// # Errors
    /// What the step would end with.
    pub fn make(self) -> Result<ExitCode> {
        match self {
            Trial::Chapter(chapter) => containers::container(chapter),
            Trial::Bridge => containers::add_bridge(),
            Trial::Ids => ids::choose(),
            Trial::Limit(controller) => cgroups::find(controller),
        }
    }

    /// Lets another process make it.
    pub fn start(self) -> Started {
        let mut program = Command::new("/proc/self/exe");
        program.args(["--try", &self.to_string()]);
        Started(program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn())
    }
}

/// A trial under way.
pub struct Started(io::Result<Child>);

impl Started {
    /// Waits for its end.
    pub fn finish(self) -> Outcome {
        let output = match self.0.and_then(Child::wait_with_output) {
            Ok(output) => output,
            Err(error) => {
                return Outcome {
                    what: format!("no trial could be made: {error}"),
                    ..Outcome::default()
                };
            }
        };
        let text = String::from_utf8_lossy(&output.stderr);
        let told =
            |word: &str| text.lines().find_map(|line| line.strip_prefix(word)).map(str::to_owned);
        let what = told("Error: ")
            .or_else(|| told("warning: "))
            .or((!output.status.success()).then(|| output.status.to_string()));
        Outcome {
            held: output.status.success(),
            what: what.unwrap_or_default(),
            cure: told("hint: "),
            answer: String::from_utf8_lossy(&output.stdout).trim_end().to_owned(),
        }
    }
}

/// How a trial ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Without an error.
    pub held: bool,
    /// The error, or else the warning.
    pub what: String,
    /// What the step says to do about it.
    pub cure: Option<String>,
    /// What it found.
    pub answer: String,
}

impl Outcome {
    /// A line of the report: what there `is` where the trial held, and how it stands `otherwise`.
    pub fn finding(self, subject: &str, is: &str, otherwise: Verdict) -> Finding {
        let verdict = match (self.held, self.what.is_empty()) {
            (true, true) => return Finding::ok(subject, is),
            (true, false) => Verdict::Limited,
            (false, _) => otherwise,
        };
        let cure =
            self.cure.unwrap_or_else(|| "make vm: the course in a machine of its own".into());
        Finding::bad(verdict, subject, self.what, cure)
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trial::Chapter(chapter) => write!(f, "{chapter:02}"),
            Trial::Bridge => f.write_str("bridge"),
            Trial::Ids => f.write_str("ids"),
            Trial::Limit(controller) => f.write_str(controller),
        }
    }
}

impl FromStr for Trial {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let chapters = (1..=CHAPTERS.len()).map(Trial::Chapter);
        let limits = cgroups::CONTROLLERS.map(Trial::Limit);
        let mut all = chapters.chain([Trial::Bridge, Trial::Ids]).chain(limits);
        all.find(|trial| trial.to_string() == text)
            .ok_or_else(|| "01 to 09, bridge, ids, cpu, memory or pids".into())
    }
}
