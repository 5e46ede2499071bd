//! The report, for a person or for a program.

use std::fmt::Write;
use std::io::{IsTerminal, stdout};

use serde::Serialize;
use textwrap::{Options, WordSplitter};

/// The verdict on one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// As the course needs it.
    #[serde(rename = "OK")]
    Ok,
    /// The chapters can be followed, but something in them will not work.
    #[serde(rename = "limited")]
    Limited,
    /// A chapter cannot be followed.
    #[serde(rename = "missing")]
    Missing,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "OK",
            Verdict::Limited => "limited",
            Verdict::Missing => "missing",
        }
    }

    /// ECMA-48, SGR: green, yellow, red
    fn colour(self) -> &'static str {
        match self {
            Verdict::Ok => "32",
            Verdict::Limited => "33",
            Verdict::Missing => "31",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was seen.
    pub because: String,
    /// The command that repairs it, or what else to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Finding {
    /// Nothing is wrong with `subject`.
    pub fn ok(subject: impl Into<String>, because: impl Into<String>) -> Self {
        Finding {
            subject: subject.into(),
            verdict: Verdict::Ok,
            because: because.into(),
            cure: None,
        }
    }

    /// Something is wrong with `subject`.
    pub fn bad(
        verdict: Verdict,
        subject: impl Into<String>,
        because: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding {
            subject: subject.into(),
            verdict,
            because: because.into(),
            cure: Some(cure.into()),
        }
    }

    /// Adds another subject with the same verdict and cure to this line.
    pub fn join(&mut self, other: Finding) {
        self.subject = format!("{}, {}", self.subject, other.subject);
        if self.because != other.because {
            self.because = format!("{}, {}", self.because, other.because);
        }
    }
}

/// The findings about one chapter, or about what all chapters need.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// `05 user`, or words.
    pub name: String,
    /// In the order in which a reader needs them.
    pub findings: Vec<Finding>,
}

impl Part {
    /// A part of the report.
    pub fn new(name: &str, findings: Vec<Finding>) -> Self {
        Part { name: name.to_owned(), findings }
    }
}

/// Everything that the doctor found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether all nine chapters can be followed here.
    pub followable: bool,
    /// The machine, the chapters, the programs.
    pub parts: Vec<Part>,
}

/// Columns of a page; where the reason begins, and where the cure does, so that a command seldom
/// needs two lines.
const WIDTH: usize = 100;
const REASON: usize = 32;
const CURE: usize = 11;

impl Report {
    /// A report of these parts.
    pub fn new(parts: Vec<Part>) -> Self {
        let missing =
            |part: &Part| part.findings.iter().any(|finding| finding.verdict == Verdict::Missing);
        Report { followable: !parts.iter().any(missing), parts }
    }

    /// Returns a page to read. A cause that several chapters share is explained once.
    pub fn page(&self) -> String {
        let mut page = String::new();
        let mut printed: Vec<(&Finding, &str)> = Vec::new();
        for part in &self.parts {
            let _ = writeln!(page, "{}", paint("1", &part.name));
            for finding in &part.findings {
                let same = |(other, _): &&(&Finding, &str)| {
                    finding.cure.is_some()
                        && other.because == finding.because
                        && other.cure == finding.cure
                };
                let before = printed.iter().find(same).map(|(_, name)| *name);
                page.push_str(&line(finding, before));
                printed.push((finding, &part.name));
            }
        }
        page + &self.sum()
    }

    fn sum(&self) -> String {
        let count = |verdict| {
            self.parts
                .iter()
                .flat_map(|part| &part.findings)
                .filter(|finding| finding.verdict == verdict)
                .count()
        };
        let (limited, missing) = (count(Verdict::Limited), count(Verdict::Missing));
        match (missing, limited) {
            (0, 0) => "\nAll nine chapters can be followed here.\n".into(),
            (0, _) => format!("\nAll nine chapters can be followed here; limited: {limited}.\n"),
            _ => format!(
                "\nNot all chapters can be followed here: missing: {missing}, limited: {limited}.\n"
            ),
        }
    }
}

/// `  OK       subject              because`, and below it the cure.
fn line(finding: &Finding, before: Option<&str>) -> String {
    let verdict = finding.verdict;
    let word = format!("{:<8}", verdict.word());
    let head = format!("  {} {:<20} ", paint(verdict.colour(), &word), finding.subject);
    let Some(part) = before else {
        let cure = finding
            .cure
            .iter()
            .flat_map(|cure| cure.lines())
            .map(|line| indented(CURE, "→ ", line));
        return [head.as_str(), indented(REASON, "", &finding.because).trim_start()].concat()
            + &cure.collect::<String>();
    };
    format!("{head}as above: {part}\n")
}

/// Breaks text into lines of the page. A word is never broken: it may be part of a command.
fn indented(column: usize, begin: &str, text: &str) -> String {
    let first = [&" ".repeat(column), begin].concat();
    let rest = " ".repeat(column + begin.chars().count());
    let options = Options::new(WIDTH).initial_indent(&first).subsequent_indent(&rest);
    let options = options.break_words(false).word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options) + "\n"
}

/// Adds a colour where a person is reading.
fn paint(colour: &str, text: &str) -> String {
    let terminal = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if terminal { format!("\x1b[{colour}m{text}\x1b[m") } else { text.to_owned() }
}
