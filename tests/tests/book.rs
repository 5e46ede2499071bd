//! Keeps the book true: what README.md and docs/src/*.md show in a `console` block is run again and
//! compared.
//!
//! A line that begins with `$ ` is a command, lines that begin with `> ` continue it, and the
//! others are what it prints, with snapbox's wildcards: `[..]` within a line, `...` for lines. Each
//! block has one sh(1), at the top of the workspace.
//!
//! Blocks marked `console,root` are for root only, `console,user` for everybody else, and
//! `console,ignore` for nobody; `console,needs-nft` where nft(8) is installed. A block that asks for root is skipped where there is neither root
//! nor a sudo that needs no password. `SNAPSHOTS=overwrite cargo test -p harness --test book`
//! writes into the pages what is printed today.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use common::{PROGRAMS, Program};
use libtest_mimic::{Arguments, Trial};
use nix::unistd::geteuid;
use snapbox::filter::NormalizeToExpected;
use snapbox::report::{Palette, write_diff};
use snapbox::{Data, IntoData};

/// For all commands of one block, in seconds. The first one that reorders step 09 builds all of it, which
/// took more than four minutes on a busy machine.
const LIMIT: &str = "600";

/// How far a CPU figure may be from the one in the book: in total, and in one second, which is only
/// ten periods of a quota.
const CPU_TOLERANCES: [(&str, f64); 2] = [("total", 0.03), ("second", 0.1)];

/// Ends what a command prints; no program of the book prints it.
const MARK: &str = "\u{1e}\n";

/// Why a block is not run.
const REASONS: [&str; 5] = [
    "not to be run",
    "for root only",
    "for an ordinary user",
    "needs root, and there is no sudo without a password",
    "needs a program that is not installed",
];

/// Before the name of a program without which a block is skipped.
const NEEDS: &str = ",needs-";

/// The programs of the course that this machine lacks.
static MISSING: LazyLock<Vec<&Program>> = LazyLock::new(|| {
    let missing = |program: &&Program| !program.names.iter().any(|name| installed(name));
    PROGRAMS.iter().filter(missing).collect()
});

/// A fenced block and its first line, counted from 0.
struct Block {
    kind: String,
    start: usize,
    exchanges: Vec<Exchange>,
}

/// A command and what it is to print.
#[derive(Default)]
struct Exchange {
    start: usize,
    command: Vec<String>,
    expected: String,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1); // CPU figures suffer from the work of another page
    let _ = Command::new("make").arg("rootfs").current_dir(top()).output(); // what it says of this machine is in no transcript
    let trials = pages().and_then(|pages| pages.into_iter().map(trial).collect::<Result<Vec<_>>>());
    match trials {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// README.md and the pages of the book, as paths from the top of the workspace.
fn pages() -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(top().join("docs/src")).context("docs/src")?;
    let names: std::io::Result<Vec<_>> = files.map(|file| Ok(file?.file_name())).collect();
    let mut pages: Vec<_> =
        names?.into_iter().map(|name| Path::new("docs/src").join(name)).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.push("README.md".into());
    pages.sort();
    Ok(pages)
}

fn trial(page: PathBuf) -> Result<Trial> {
    let name = page.display().to_string();
    let text = fs::read_to_string(top().join(&page)).with_context(|| name.clone())?;
    let mut blocks = blocks(&text).with_context(|| name.clone())?;
    let chapter = page.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
    ensure!(!chapter || blocks.len() >= 2, "{name}: fewer than two transcripts");
    let all = blocks.len();
    for reason in REASONS {
        let before = blocks.len();
        blocks.retain(|block| block.reason_to_skip() != Some(reason));
        let skipped = before - blocks.len();
        if skipped > 0 {
            eprintln!("{name}: {skipped} of {all} transcripts skipped: {reason}");
        }
    }
    let ignored = all > 0 && blocks.is_empty();
    let check = move || check(&page, &text, &blocks);
    Ok(Trial::test(name, move || check().map_err(|error| format!("{error:#}").into()))
        .with_ignored_flag(ignored))
}

fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((start, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```console") else { continue };
        let body: Vec<_> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        let exchanges = exchanges(&body).with_context(|| format!("line {}", start + 1))?;
        ensure!(
            ["", ",root", ",user", ",ignore"].contains(&kind) || kind.starts_with(NEEDS),
            "line {}: console{kind}",
            start + 1
        );
        blocks.push(Block { kind: kind.to_owned(), start, exchanges });
    }
    Ok(blocks)
}

fn exchanges(body: &[(usize, &str)]) -> Result<Vec<Exchange>> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for &(start, line) in body {
        if let Some(command) = line.strip_prefix("$ ") {
            exchanges.push(Exchange {
                start,
                command: vec![command.to_owned()],
                ..Exchange::default()
            });
            continue;
        }
        let last = exchanges.last_mut().context("the block does not begin with a command")?;
        match line.strip_prefix("> ") {
            Some(more) if last.expected.is_empty() => last.command.push(more.to_owned()),
            _ => last.expected += &format!("{line}\n"),
        }
    }
    ensure!(!exchanges.is_empty(), "an empty block");
    Ok(exchanges)
}

impl Block {
    fn reason_to_skip(&self) -> Option<&'static str> {
        match (self.kind.as_str(), geteuid().is_root()) {
            (",ignore", _) => Some(REASONS[0]),
            (",root", false) => Some(REASONS[1]),
            (",user", true) => Some(REASONS[2]),
            (_, false) if self.asks_for_root() && !sudo() => Some(REASONS[3]),
            (kind, _) if kind.strip_prefix(NEEDS).is_some_and(|name| !installed(name)) => {
                Some(REASONS[4])
            }
            _ if self.lacks_a_program() => Some(REASONS[4]),
            _ => None,
        }
    }

    /// Whether a command has the name of a program of the course that this machine lacks, or a
    /// target that uses one.
    fn lacks_a_program(&self) -> bool {
        let mut lines = self.exchanges.iter().flat_map(|exchange| &exchange.command);
        lines.any(|line| {
            let word = |name: &&str| line.split(|c| !is_part_of_name(c)).any(|word| word == *name);
            let target = |use_: &str| {
                use_.starts_with("make ") && line.contains(use_.trim_end_matches("NN"))
            };
            MISSING.iter().any(|program| {
                program.names.iter().chain(&program.inside).any(word)
                    || program.used_by.split(", ").any(target)
            })
        })
    }

    fn asks_for_root(&self) -> bool {
        let steps = ["01", "02", "03", "04"];
        let asks = |line: &String| {
            let by = |step| ["step", "trace"].map(|it| line.contains(&format!("make {it}-{step}")));
            line.contains("sudo ") || steps.into_iter().flat_map(by).any(|asks| asks)
        };
        self.exchanges.iter().flat_map(|exchange| &exchange.command).any(asks)
    }

    /// The commands that print something else than the book says. CPU figures get a second and a
    /// third try: another process may have been busy. A limit that does not hold fails them all.
    fn differing(&self) -> Result<Vec<(&Exchange, Data)>> {
        let figures = self
            .exchanges
            .iter()
            .any(|exchange| exchange.expected.lines().any(|line| figure(line).is_some()));
        let mut tries = if figures { 3 } else { 1 };
        loop {
            tries -= 1;
            let differing = self.differing_once()?;
            if figures && tries == 0 && !differing.is_empty() && harness::cpus_are_taken()? {
                eprintln!("skipped: line {}: other processes take the CPUs", self.start + 1);
                return Ok(Vec::new());
            }
            if tries == 0 || differing.is_empty() {
                return Ok(differing);
            }
        }
    }

    fn differing_once(&self) -> Result<Vec<(&Exchange, Data)>> {
        let printed = self.run()?;
        let compared = self.exchanges.iter().zip(printed).map(|(exchange, printed)| {
            let expected = Data::text(&exchange.expected);
            let printed = like_expected(&exchange.expected, &printed).into_data();
            let actual = NormalizeToExpected::new().redact().normalize(printed, &expected);
            (actual != expected).then_some((exchange, actual))
        });
        Ok(compared.flatten().collect())
    }

    /// Runs the commands and returns what each has printed. What goes on in the background may do
    /// so.
    fn run(&self) -> Result<Vec<String>> {
        let mut script = "exec 2>&1\n".to_owned();
        if geteuid().is_root() {
            script += "sudo() { \"$@\"; }\n"; // which root may not have
        }
        for exchange in &self.exchanges {
            script += &format!("{}\nprintf '\\036\\n'\n", exchange.command.join("\n"));
        }
        let output = tempfile::NamedTempFile::new()?;
        let registry = tempfile::tempdir()?; // its names are free, whatever else this user runs
        let status = Command::new("timeout")
            .args(["--kill-after=5", LIMIT, "sh", "-c", &script])
            .current_dir(top())
            .envs([("LC_ALL", "C.UTF-8"), ("RUST_BACKTRACE", "0"), ("COLUMNS", "100")])
            .env("XDG_RUNTIME_DIR", registry.path())
            .env_remove("LD_LIBRARY_PATH") // cargo's
            .env_remove("MAKEFLAGS") // that of `make test`
            .env_remove("MAKELEVEL")
            .stdin(Stdio::null())
            .stdout(File::create(output.path())?)
            .status()
            .context("timeout")?;
        let printed = String::from_utf8_lossy(&fs::read(output.path())?).into_owned();
        let parts: Vec<String> = printed.split(MARK).map(trim_lines).collect();
        ensure!(status.code() != Some(124), "not finished after {LIMIT} s:\n{printed}");
        ensure!(
            parts.len() == self.exchanges.len() + 1,
            "ended before its last command ({status}):\n{printed}"
        );
        Ok(parts)
    }
}

fn sudo() -> bool {
    let sudo = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success())
}

fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn installed(program: &str) -> bool {
    let script = format!("PATH=$PATH:/usr/sbin:/sbin; command -v {program}");
    let found = Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// How lines begin that say what this machine lacks. A reader has another machine.
const LACKS: [&str; 2] =
    ["not on this machine, and so not in the tree: ", "Everything goes on without: "];

/// No page should need spaces at the end of a line.
fn trim_lines(text: &str) -> String {
    let lines = text.lines().filter(|line| !LACKS.iter().any(|lacks| line.starts_with(lacks)));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

fn check(page: &Path, text: &str, blocks: &[Block]) -> Result<()> {
    let (mut wrong, mut edits) = (String::new(), Vec::new());
    for block in blocks {
        for (exchange, actual) in
            block.differing().with_context(|| format!("{}:{}", page.display(), block.start + 1))?
        {
            wrong += &difference(page, exchange, &actual)?;
            edits.push((exchange, actual.to_string()));
        }
    }
    if !wrong.is_empty() && std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite") {
        return rewrite(page, text, &edits);
    }
    ensure!(wrong.is_empty(), wrong);
    Ok(())
}

fn rewrite(page: &Path, text: &str, edits: &[(&Exchange, String)]) -> Result<()> {
    let mut lines: Vec<&str> = text.lines().collect();
    for (exchange, printed) in edits.iter().rev() {
        let first = exchange.start + exchange.command.len();
        lines.splice(first..first + exchange.expected.lines().count(), printed.lines());
    }
    fs::write(top().join(page), lines.join("\n") + "\n")
        .with_context(|| format!("write {}", page.display()))
}

fn difference(page: &Path, exchange: &Exchange, actual: &Data) -> Result<String> {
    let expected = Data::text(&exchange.expected);
    let (line, command) = (exchange.start + 1, exchange.command.join("\n> "));
    let mut text = format!("\n{}:{line}: $ {command}\n", page.display());
    write_diff(
        &mut text,
        &expected,
        actual,
        Some(&"the book"),
        Some(&"this machine"),
        Palette::plain(),
    )?;
    Ok(text)
}

/// Takes from `expected` the CPU figures that `printed` comes near to.
fn like_expected(expected: &str, printed: &str) -> String {
    let near = |a: &str, b: &str| {
        let tolerance =
            CPU_TOLERANCES.iter().find(|(word, _)| a.starts_with(word) && b.starts_with(word));
        let figures = figure(a).zip(figure(b)).zip(tolerance);
        figures.is_some_and(|((a, b), (_, tolerance))| (a - b).abs() <= tolerance + 1e-9)
    };
    let mut book = expected.lines().map(Some).chain(std::iter::repeat(None));
    let lines = printed
        .lines()
        .map(|line| book.next().flatten().filter(|book| near(line, book)).unwrap_or(line));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The number in `second 1: 0.80 CPU`.
fn figure(line: &str) -> Option<f64> {
    line.strip_suffix(" CPU")?.rsplit(' ').next()?.parse().ok()
}
