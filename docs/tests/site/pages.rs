//! What can be checked on the pages as they are, without building the book.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Pages that newer manuals have and that of Debian 12 lacks.
const NEWER: [&str; 9] = [
    "fsconfig(2)",
    "fsmount(2)",
    "fsopen(2)",
    "move_mount(2)",
    "open_tree(2)",
    "TIOCSTI(2const)",
    "clone3(2)",
    "mount_setattr(2)",
    "PR_SET_PDEATHSIG(2const)",
];

/// Pages of programs that the course does not ask for.
const OPTIONAL: [&str; 9] = [
    "io_uring_setup(2)",
    "nft(8)",
    "newuidmap(1)",
    "socat(1)",
    "systemd-run(1)",
    "systemd.resource-control(5)",
    "strace(1)",
    "capsh(1)",
    "ldd(1)",
];

/// A directory's files, in order.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// The pages of the book and README.md, with their texts.
fn pages() -> Result<Vec<(PathBuf, String)>> {
    let mut paths = files(&crate::top().join("docs/src"))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.push(crate::top().join("README.md"));
    paths.into_iter().map(|path| Ok((path.clone(), fs::read_to_string(path)?))).collect()
}

/// The lines outside of blocks of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Fails with all that is wrong, a line each.
fn report(wrong: Vec<String>) -> Result<()> {
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}

fn name(path: &Path, line: usize) -> String {
    format!("{}:{}", path.file_name().unwrap_or_default().display(), line + 1)
}

/// Every link to a file of ours leads to one, and every anchor to a heading in it.
pub fn links() -> Result<()> {
    let mut wrong = Vec::new();
    for (path, text) in pages()? {
        for (number, line) in prose(&text) {
            for rest in line.split("](").skip(1) {
                let target = rest.split([')', ' ']).next().unwrap_or("");
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                if target.contains("://") {
                    continue;
                }
                let file = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
                let optional = file.ends_with("exercises.toml");
                if !file.exists() && !optional {
                    wrong.push(format!("{}: there is no {target}", name(&path, number)));
                } else if !anchor.is_empty() && !anchors(&file).contains(anchor) {
                    wrong.push(format!("{}: no heading for {target}", name(&path, number)));
                }
            }
        }
    }
    report(wrong)
}

/// The anchors of a page's headings, as mdBook makes them.
fn anchors(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let headings = prose(&text).filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| slug(line)).collect()
}

fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}

/// A block of commands is a transcript, or the line before it says why it is not run.
pub fn commands() -> Result<()> {
    let mut wrong = Vec::new();
    for (path, text) in pages()? {
        let lines: Vec<&str> = text.lines().collect();
        let mut fenced = false;
        for (number, line) in lines.iter().enumerate() {
            if !line.starts_with("```") {
                continue;
            }
            fenced = !fenced;
            let not_run = ["```sh", "```bash", "```shell", "```console,ignore"].contains(line);
            let reason = number > 0 && lines[number - 1].starts_with("<!-- not run: ");
            let readme = path.ends_with("README.md");
            if fenced && not_run && !reason && !readme {
                wrong.push(format!("{}: not run, and no reason", name(&path, number)));
            }
            if fenced && *line == "```" {
                wrong.push(format!("{}: a block without a language", name(&path, number)));
            }
        }
    }
    report(wrong)
}

/// What a transcript must not ask for, because another reader's may do so at the same time: a process
/// by its name, a key or a port that is always the same. Ports in a network made for the block may be.
const SHARED: [(&str, &str); 6] = [
    ("pkill ", ""),
    ("killall ", ""),
    ("pgrep ", "-P $!|--parent $!"),
    ("debug/queue send ", "$key"),
    ("debug/server ", "$port"),
    ("--publish ", "$port|127.0.0.1:$port"),
];

/// Transcripts of two readers on one machine do not meet.
pub fn readers() -> Result<()> {
    let mut wrong = Vec::new();
    for (path, text) in pages()? {
        for (start, block) in text.match_indices("```console").map(|(at, _)| (at, &text[at + 10..]))
        {
            let block = block.split("\n```").next().unwrap_or("");
            let own = block.contains("unshare --user --map-root-user --net");
            let commands = block.lines().filter(|line| line.starts_with(['$', '>']));
            for command in commands.filter(|_| !own) {
                for (what, allowed) in SHARED {
                    let meets = command.split(what).skip(1).any(|rest| {
                        !allowed.split('|').any(|it| !it.is_empty() && rest.starts_with(it))
                    });
                    if meets {
                        let number = text[..start].lines().count();
                        wrong.push(format!("{}: {what}: {command}", name(&path, number)));
                    }
                }
            }
        }
    }
    report(wrong)
}

/// A term that no page uses is linked nowhere.
pub fn terms() -> Result<()> {
    let pages = pages()?;
    let glossary = pages.iter().find(|(path, _)| path.ends_with("glossary.md"));
    let (_, glossary) = glossary.context("no glossary")?;
    let headings = glossary.lines().filter_map(|line| line.strip_prefix("### "));
    let others: Vec<String> = pages
        .iter()
        .filter(|(path, _)| !path.ends_with("glossary.md") && !path.ends_with("README.md"))
        .map(|(_, text)| text.to_lowercase())
        .collect();
    let unused = |heading: &&str| {
        !heading
            .split(", ")
            .any(|term| others.iter().any(|text| text.contains(&term.to_lowercase())))
    };
    report(headings.filter(unused).map(|term| format!("no page uses {term:?}")).collect())
}

/// Every `name(section)` is a page of the manual.
pub fn manual() -> Result<()> {
    let mut named = BTreeSet::new();
    for (path, text) in pages()? {
        for (number, line) in prose(&text) {
            for (at, _) in line.match_indices('(') {
                let word = |c: &char| c.is_ascii_alphanumeric() || "_.-+".contains(*c);
                let found: Vec<char> = line[..at].chars().rev().take_while(word).collect();
                let page: String = found.into_iter().rev().collect();
                let section = line[at + 1..].split(')').next().unwrap_or("");
                let digit = section.starts_with(|c: char| ('1'..='8').contains(&c));
                if digit && section.len() <= 6 && page.starts_with(|c: char| c.is_alphabetic()) {
                    named.insert((page, section.to_owned(), name(&path, number)));
                }
            }
        }
    }
    let listed = |page: &str, section: &str| {
        let text = format!("{page}({section})");
        NEWER.contains(&&*text) || OPTIONAL.contains(&&*text)
    };
    let exists = |page: &str, section: &str| {
        let mut man = Command::new("man");
        crate::quiet(man.args(["--where", section, page])).status().is_ok_and(|it| it.success())
    };
    if !exists("namespaces", "7") {
        eprintln!("manual_pages_exist: the manual itself is not installed (package manpages)");
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    let wrong = named
        .into_iter()
        .filter(|(page, section, _)| seen.insert((page.clone(), section.clone())))
        .filter(|(page, section, _)| !listed(page, section) && !exists(page, section))
        .map(|(page, section, place)| format!("{place}: the manual has no {page}({section})"));
    report(wrong.collect())
}

/// Each of the forty answers leads to sections that have its terms: what it shows as code, and names
/// in capitals such as ENOSPC.
pub fn exam() -> Result<()> {
    let path = crate::top().join("docs/src/exam.md");
    let text = fs::read_to_string(&path)?;
    let answers: Vec<&str> =
        text.lines().filter(|line| line.starts_with("   ") && line.contains("](")).collect();
    ensure!(answers.len() == 40, "{} answers lead to a page", answers.len());
    let mut wrong = Vec::new();
    for (number, answer) in answers.iter().enumerate() {
        let (words, links) = answer.rsplit_once(" (").context("no link at the end")?;
        let targets = links.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let sections: String =
            targets.map(|target| section(&path, target)).collect::<Result<Vec<_>>>()?.concat();
        let missing = terms_of(words).into_iter().filter(|term| !sections.contains(term));
        wrong.extend(missing.map(|term| format!("question {}: no {term} there", number + 1)));
    }
    report(wrong)
}

/// A heading and what is below it; the whole page without an anchor.
fn section(from: &Path, target: &str) -> Result<String> {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let text = fs::read_to_string(from.with_file_name(file)).with_context(|| target.to_owned())?;
    let depth = |line: &str| line.chars().take_while(|&c| c == '#').count();
    let mut lines = text.lines().skip_while(|line| depth(line) == 0 || slug(line) != anchor);
    let Some(heading) = lines.next().filter(|_| !anchor.is_empty()) else { return Ok(text) };
    let ends = |line: &&str| (1..=depth(heading)).contains(&depth(line)) && line.contains("# ");
    let body: Vec<&str> = lines.take_while(|line| !ends(line)).collect();
    Ok(body.join("\n"))
}

/// The terms of an answer that the book must use as well.
fn terms_of(answer: &str) -> BTreeSet<&str> {
    let code = answer.split('`').skip(1).step_by(2);
    let name = |word: &&str| word.len() > 4 && word.chars().all(|c| c.is_ascii_uppercase());
    code.chain(answer.split(|c: char| !c.is_alphanumeric()).filter(name)).collect()
}
