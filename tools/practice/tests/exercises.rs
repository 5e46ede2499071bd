//! That every exercise is one: it takes out exactly what it says, the claims notice, and the way
//! back leads to where it began.
//!
//! What can be read off the files is always tried. What takes the kernel and the compiler is tried
//! for the exercises that `EXERCISES` names, as `all`, `02` or `02-pid/wait` (`make
//! test-practice`), in a copy of the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use practice::course::Course;
use practice::declaration::{Chapter, Exercise, Kind};
use practice::git::Git;
use practice::hollow::{Source, holes};
use practice::judge::{self, End, Judged, Set};
use practice::state::Store;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1); // they share a tree
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> Result<Vec<Trial>> {
    let mut trials = vec![trial("there are sixty exercises", "files", sixty)];
    for chapter in Chapter::all(top())? {
        let step = chapter.step.clone();
        let name = format!("where the claims of {step} say to look");
        trials.push(trial(&name, "files", move || {
            hints_of_claims(&step).map(|()| Completion::Completed)
        }));
        for exercise in &chapter.exercises {
            let name = format!("{}/{}", chapter.step, exercise.text.name);
            let found = move |name: &str| find(name);
            let of_files = name.clone();
            trials.push(trial(&name, "files", move || {
                let (chapter, exercise) = found(&of_files)?;
                files(&chapter, &exercise).map(|()| Completion::Completed)
            }));
            let of_kernel = name.clone();
            trials.push(trial(&name, "kernel", move || match wanted(&of_kernel) {
                true => {
                    let (chapter, exercise) = find(&of_kernel)?;
                    kernel(&chapter, &exercise).map(|()| Completion::Completed)
                }
                false => Ok(Completion::ignored_with("EXERCISES does not name it")),
            }));
        }
    }
    let name = "step 09 on a chapter 06 that was written differently";
    trials.push(trial(name, "kernel", || match wanted("09-full/other") {
        true => other_mount().map(|()| Completion::Completed),
        false => Ok(Completion::ignored_with("EXERCISES does not name 09-full/other")),
    }));
    let name = "a bug that did not fit the learner's text gives it back when it is found";
    trials.push(trial(name, "kernel", || match wanted("04-ipc/fit") {
        true => gives_back().map(|()| Completion::Completed),
        false => Ok(Completion::ignored_with("EXERCISES does not name 04-ipc/fit")),
    }));
    let name = "a step that does not end is stopped";
    trials.push(trial(name, "kernel", || match wanted("02-pid/hangs") {
        true => hangs().map(|()| Completion::Completed),
        false => Ok(Completion::ignored_with("EXERCISES does not name 02-pid/hangs")),
    }));
    Ok(trials)
}

fn trial(
    name: &str,
    kind: &str,
    check: impl FnOnce() -> Result<Completion> + Send + 'static,
) -> Trial {
    let check = move || check().map_err(|error| Failed::from(format!("{error:#}")));
    Trial::ignorable_test(name, check).with_kind(kind)
}

fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn find(name: &str) -> Result<(Chapter, Exercise)> {
    let (step, name) = name.split_once('/').context("STEP/NAME")?;
    let chapter = Chapter::read(top(), step)?;
    let exercise = practice::course::exercise(&chapter, name)?;
    Ok((chapter, exercise))
}

fn wanted(name: &str) -> bool {
    let all = std::env::var("EXERCISES").unwrap_or_default();
    all.split_whitespace().any(|word| word == "all" || word == name || name[..2] == *word)
}

fn sixty() -> Result<Completion> {
    let chapters = Chapter::all(top())?;
    let count = |kind: Kind| -> usize { chapters.iter().map(|it| it.of(kind).count()).sum() };
    let all = [Kind::Write, Kind::Bug, Kind::Extend].map(count);
    ensure!(all.iter().sum::<usize>() >= 60, "write, bug and extend: {all:?}");
    for chapter in &chapters {
        let [bugs, extensions] = [Kind::Bug, Kind::Extend].map(|kind| chapter.of(kind).count());
        let least = match chapter.number() {
            "01" => 0,
            "03" | "04" => 2,
            _ => 4,
        };
        ensure!(bugs >= least, "{}: {bugs} bugs, {least} are promised", chapter.step);
        ensure!((1..=2).contains(&extensions), "{}: {extensions} extensions", chapter.step);
    }
    Ok(Completion::Completed)
}

/// A failed claim says `look at NAME in FILE`: both have to be there.
fn hints_of_claims(step: &str) -> Result<()> {
    let tests = fs::read_to_string(top().join("steps").join(step).join("tests/claims.rs"))?;
    for hint in tests.split('"').filter(|text| text.contains("steps/")) {
        let words = || hint.split_whitespace().map(|word| word.trim_end_matches([';', ',']));
        let mut code = String::new();
        for path in words().filter(|word| word.starts_with("steps/")) {
            code +=
                &fs::read_to_string(top().join(path)).with_context(|| format!("{hint}: {path}"))?;
        }
        for name in words().filter(|word| word.contains("::") || word.contains('_')) {
            let name = name.rsplit("::").next().unwrap_or(name);
            ensure!(name.contains('/') || code.contains(name), "{hint}: there is no {name}");
        }
        ensure!(!words().any(|word| word.ends_with(".rs") && !word.contains('/')), "{hint}");
    }
    Ok(())
}

/// What can be read off the files.
fn files(chapter: &Chapter, exercise: &Exercise) -> Result<()> {
    let it = &exercise.text;
    ensure!(it.hints.len() >= 3, "{} hints", it.hints.len());
    ensure!((1..=5).contains(&it.difficulty) && it.minutes > 0, "difficulty, minutes");
    ensure!(!it.claims.is_empty(), "no claim judges it");
    let step = top().join("steps").join(&chapter.step);
    let file =
        if exercise.kind == Kind::Extend { "exercises/extend.rs" } else { "tests/claims.rs" };
    let claims = fs::read_to_string(step.join(file)).with_context(|| file.to_owned())?;
    for claim in &it.claims {
        ensure!(claims.contains(&format!("\"{claim}\"")), "{file} has no claim {claim:?}");
    }
    for (path, name) in exercise.places(&chapter.step) {
        let text = fs::read_to_string(top().join(&path))?;
        Source::parse(&text)?.find(name).with_context(|| path.display().to_string())?;
    }
    match exercise.kind {
        Kind::Write => ensure!(it.main || !it.functions.is_empty(), "nothing to write"),
        _ => {
            let patch = exercise.patch(top(), &chapter.step);
            let mut git = Command::new("git");
            git.args(["apply", "--check"]).arg(&patch).current_dir(top());
            let printed = text(&git.output().context("run git")?);
            ensure!(printed.is_empty(), "{} no longer applies: {printed}", patch.display());
        }
    }
    Ok(())
}

/// A copy of this tree with a repository of its own, in which everything is built.
fn copy() -> Result<&'static Path> {
    static COPY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let copy = COPY.get_or_init(|| make_copy().map_err(|error| format!("{error:#}")));
    copy.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn make_copy() -> Result<PathBuf> {
    let copy = top().canonicalize()?.join("target/exercises");
    fs::create_dir_all(&copy)?;
    let script = r#"
        set -e
        find "$1" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
        mkdir -p "$1/target/debug"   # crates that are built already need not be built again
        [ -e "$1/target/debug/deps" ] || cp -al target/debug/deps target/debug/build target/debug/.fingerprint "$1/target/debug/" || true
        git ls-files -z --cached --others --exclude-standard |
            tar --null --ignore-failed-read -cf - -T - 2> /dev/null | tar -xmf - -C "$1"
        cd "$1"
        git init -q . && git add -A
        git -c user.name=course -c user.email=course@localhost commit -qm course
        cargo build --quiet --bins -p harness -p rootfs $(cd steps; for step in 0*; do echo "-p step-$step"; done)
    "#;
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).arg(&copy).current_dir(top());
    ensure!(bash.status()?.success(), "the copy cannot be made in {}", copy.display());
    Ok(copy)
}

/// practice in the copy.
fn run(words: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_practice"));
    command.args(words).current_dir(copy()?).output().context("run practice")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn succeed(words: &[&str]) -> Result<String> {
    let output = run(words)?;
    ensure!(output.status.success(), "practice {}: {}", words.join(" "), text(&output));
    Ok(text(&output))
}

/// All source files of the steps.
fn sources() -> Result<BTreeMap<PathBuf, String>> {
    let mut all = BTreeMap::new();
    let mut directories = vec![copy()?.join("steps")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            match path.is_dir() {
                true => directories.push(path),
                false => drop(all.insert(path.clone(), fs::read_to_string(path)?)),
            }
        }
    }
    Ok(all)
}

/// What takes the compiler and the kernel.
fn kernel(chapter: &Chapter, exercise: &Exercise) -> Result<()> {
    let before = sources()?;
    let result = match exercise.kind {
        Kind::Write => write(chapter, exercise, &before),
        Kind::Bug => bug(chapter, exercise),
        Kind::Extend => extend(chapter, exercise),
    };
    succeed(&["reset", chapter.number()])?;
    ensure!(sources()? == before, "reset does not lead back to where it began");
    result
}

fn write(chapter: &Chapter, exercise: &Exercise, before: &BTreeMap<PathBuf, String>) -> Result<()> {
    let number = chapter.number();
    let (name, main) = (exercise.text.name.as_str(), exercise.text.main);
    let earlier = earlier_programs(chapter)?;
    succeed(&["start", number, "--exercise", name])?;
    if !main {
        only_these(chapter, exercise, before)?;
    }
    let output = run(&["check", number])?;
    let printed = text(&output);
    ensure!(!output.status.success(), "the claims hold without it: {printed}");
    let hole = printed.contains("left to write") && printed.contains(&format!("{number} {name}: "));
    // The main of the step before may name a crate that this step no longer has.
    let other = main && (printed.contains("FAIL") || printed.contains("does not compile"));
    ensure!(hole || other, "not what a learner must see: {printed}");
    ensure!(main || !printed.contains("warning"), "{printed}");
    for hint in 1..=exercise.text.hints.len() {
        let shown = succeed(&["hint", number])?;
        ensure!(shown.contains(&format!("{hint} of ")), "hint {hint}: {shown}");
    }
    succeed(&["solution", number])?;
    ensure!(earlier_programs(chapter)? == earlier, "the step before is another program now");
    bring_back(chapter, exercise, before)?;
    let output = run(&["check", number])?;
    ensure!(output.status.success(), "the course's text does not hold: {}", text(&output));
    ensure!(text(&output).contains("Solved."), "{}", text(&output));
    ensure!(sources()? == *before, "solving leaves something behind");
    Ok(())
}

/// The programs of the chapters before: the same bytes make the same claims hold.
fn earlier_programs(chapter: &Chapter) -> Result<Vec<Vec<u8>>> {
    let steps = practice::declaration::steps(copy()?)?;
    let earlier: Vec<&String> = steps.iter().filter(|step| **step < chapter.step).collect();
    if earlier.is_empty() {
        return Ok(Vec::new());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet"]).current_dir(copy()?);
    for step in &earlier {
        cargo.arg("--package").arg(format!("step-{step}"));
    }
    ensure!(cargo.status()?.success(), "an earlier step does not compile any more");
    earlier.iter().map(|step| Ok(fs::read(copy()?.join("target/debug").join(step))?)).collect()
}

/// Of all functions of all steps exactly the named ones are hollow.
fn only_these(
    chapter: &Chapter,
    exercise: &Exercise,
    before: &BTreeMap<PathBuf, String>,
) -> Result<()> {
    let places = exercise.places(&chapter.step);
    for (path, now) in sources()? {
        let was = &before[&path];
        if path.extension().is_none_or(|extension| extension != "rs") || *was == now {
            continue;
        }
        let (source, original) = (Source::parse(&now)?, Source::parse(was)?);
        for function in original.functions() {
            let own = source.function_text(&function.name)?;
            let named =
                places.iter().any(|(file, name)| path.ends_with(file) && *name == function.name);
            let same = own == original.function_text(&function.name)?;
            ensure!(named != same, "{}: {} is hollow: {}", path.display(), function.name, !same);
            ensure!(named != holes(own).is_empty(), "{}: {own}", path.display());
        }
    }
    Ok(())
}

/// As a learner would who writes what the course has, and leaves the rest of the file alone.
fn bring_back(
    chapter: &Chapter,
    exercise: &Exercise,
    before: &BTreeMap<PathBuf, String>,
) -> Result<()> {
    let mut places: Vec<PathBuf> =
        exercise.places(&chapter.step).into_iter().map(|(path, _)| path).collect();
    if exercise.text.main {
        places.push(Path::new("steps").join(&chapter.step).join("src/main.rs"));
    }
    places.dedup();
    for path in places {
        let path = copy()?.join(path);
        fs::write(&path, &before[&path])?;
    }
    Ok(())
}

fn bug(chapter: &Chapter, exercise: &Exercise) -> Result<()> {
    let number = chapter.number();
    let place = chapter.of(Kind::Bug).position(|bug| bug.text.name == exercise.text.name);
    let place = (place.context("no place")? + 1).to_string();
    let printed = succeed(&["bug", number, "--number", &place])?;
    ensure!(!printed.contains(&exercise.text.name), "the name gives it away: {printed}");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", &format!("step-{}", chapter.step)]);
    let warnings = text(&cargo.current_dir(copy()?).output()?);
    ensure!(warnings.is_empty(), "the compiler gives it away: {warnings}");
    let claims = judge::build(copy()?, &chapter.step, Set::Chapter, false)?.context("no claims")?;
    let mut failed: Vec<String> = Vec::new();
    let end = judge::run(copy()?, &claims, None, |judged| {
        failed.extend(Some(judged).filter(Judged::fails).map(|judged| judged.claim));
        true
    })?;
    let noticed = |claim: &&String| failed.contains(claim);
    let all = exercise.text.claims.iter().filter(noticed).count() == exercise.text.claims.len();
    let stopped = matches!(end, End::Hangs) && !failed.is_empty();
    ensure!(all || stopped, "of {:?} only these fail: {failed:?}", exercise.text.claims);
    ensure!(untouched(chapter, exercise)?, "it counts as found before anybody has looked");
    let solution = succeed(&["solution", number])?;
    ensure!(solution.contains("+++ "), "the solution shows nothing: {solution}");
    Ok(())
}

fn untouched(chapter: &Chapter, bug: &Exercise) -> Result<bool> {
    let git = Git::open(copy()?)?;
    let store = Store::open(&git.practice_directory()?)?;
    practice::begin::is_untouched(&Course { top: copy()?.to_owned(), git, store }, chapter, bug)
}

fn extend(chapter: &Chapter, exercise: &Exercise) -> Result<()> {
    let (number, name) = (chapter.number(), exercise.text.name.as_str());
    succeed(&["start", number, "--exercise", name])?;
    let output = run(&["check", number])?;
    if output.status.success() || !text(&output).contains("FAIL") {
        bail!("its claims hold before: {}", text(&output));
    }
    let patch = exercise.patch(copy()?, &chapter.step);
    let mut apply = Command::new("git");
    apply.current_dir(copy()?).arg("apply").arg(patch);
    ensure!(apply.status()?.success(), "the solution no longer applies");
    let output = run(&["check", number])?;
    let printed = text(&output);
    ensure!(
        output.status.success() && printed.contains("Solved."),
        "the solution fails: {printed}"
    );
    ensure!(!printed.contains("warning"), "{printed}");
    Ok(())
}

/// The bug comes in the course's text, which is mended; what the learner wrote is not lost by that.
fn gives_back() -> Result<()> {
    let path = copy()?.join("steps/04-ipc/src/main.rs");
    let course = fs::read_to_string(&path)?;
    let own = course.replace("libc::CLONE_NEWIPC,", "libc::CLONE_NEWIPC | 0,");
    ensure!(own != course, "the flag is not written there");
    succeed(&["commit", "HEAD"])?;
    commit(&path, &own)?;
    let result = (|| {
        let printed = succeed(&["bug", "04", "--number", "1"])?;
        ensure!(printed.contains("does not fit"), "{printed}");
        let (chapter, bug) = find("04-ipc/shared")?;
        ensure!(untouched(&chapter, &bug)?, "it counts as found");
        ensure!(succeed(&["solution", "04"])?.contains("+    libc::CLONE_NEWIPC,"), "the answer");
        fs::write(&path, &course)?;
        ensure!(!untouched(&chapter, &bug)?, "it does not count as found");
        let printed = succeed(&["check", "04"])?;
        ensure!(printed.contains("Solved.") && printed.contains("in the tree again"), "{printed}");
        ensure!(fs::read_to_string(&path)? == own, "it is not the learner's");
        Ok(())
    })();
    succeed(&["reset", "04"])?;
    commit(&path, &course)?;
    result
}

fn commit(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    let mut git = Command::new("git");
    git.args(["-c", "user.name=learner", "-c", "user.email=learner@localhost"]);
    let git = git.args(["commit", "--quiet", "--all", "--message=own"]).current_dir(copy()?);
    ensure!(git.status()?.success(), "git commit");
    Ok(())
}

/// What a learner's code may do instead of coming to an end.
const HANGS: [&str; 3] = [
    "loop {}",
    "std::thread::sleep(std::time::Duration::MAX); unreachable!()",
    "let (reader, writer) = nix::unistd::pipe()?;
     nix::unistd::read(&reader, &mut [0])?;
     drop(writer);
     unreachable!()",
];

/// The claims need a second: it is not the clock that notices.
fn hangs() -> Result<()> {
    let path = copy()?.join("steps/02-pid/src/lib.rs");
    let before = fs::read_to_string(&path)?;
    succeed(&["start", "02", "--exercise", "wait"])?;
    let result = HANGS.iter().try_for_each(|body| {
        let hanging = format!(
            "fn wait(pid: Pid, flags: c_int) -> Result<Option<ExitStatus>> {{ let _ = (pid, flags); {body} }}"
        );
        fs::write(&path, practice::hollow::fill(&before, &hanging, &["wait"])?)?;
        let printed = text(&run(&["check", "02"])?);
        ensure!(printed.contains("It does not end."), "{body}: {printed}");
        ensure!(!printed.contains("not within"), "it took the longest time, {body}: {printed}");
        let left: Vec<_> = fs::read_dir(copy()?.join("target/tmp"))?.collect();
        ensure!(left.is_empty(), "{body} leaves {left:?}");
        Ok(())
    });
    succeed(&["reset", "02"])?;
    result
}

/// Chapter 06, written differently; which functions it has of which file.
const REWRITTEN: &str = include_str!("rewritten/mount.rs");
const REWRITTEN_FUNCTIONS: [(&str, &[&str]); 2] =
    [("lib.rs", &["mount_dev", "pivot"]), ("root.rs", &["Root::attach", "Root::mount"])];

/// A later chapter runs on whatever mechanism the learner wrote in an earlier one.
fn other_mount() -> Result<()> {
    let source = copy()?.join("steps/06-mount/src");
    let before = REWRITTEN_FUNCTIONS.map(|(file, _)| fs::read_to_string(source.join(file)));
    succeed(&["start", "06", "--exercise", "all"])?;
    for ((file, functions), before) in REWRITTEN_FUNCTIONS.iter().zip(before) {
        let other = practice::hollow::fill(&before?, REWRITTEN, functions)?;
        fs::write(source.join(file), other)?;
    }
    let result = ["06", "09"].iter().try_for_each(|number| {
        let output = run(&["check", number])?;
        ensure!(output.status.success(), "{number}: {}", text(&output));
        Ok(())
    });
    let kept = fs::read_to_string(source.join("root.rs"))?.contains("/proc/self/fd/");
    succeed(&["reset", "06"])?;
    ensure!(kept, "it was not the other one");
    ensure!(
        !fs::read_to_string(source.join("lib.rs"))?.contains("allow(unused)"),
        "the line stays"
    );
    result
}
