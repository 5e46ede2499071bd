//! What a learner may run into, in a tiny course: each case is answered clearly, and no line that
//! the learner wrote is lost.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const LIB: &str = "//! Numbers.

use std::cmp::max;

/// What nobody should see.
const ANSWER: u32 = 42;

/// Returns one number.
pub fn one() -> u32 {
    max(ANSWER, 1) // the answer
}

/// Returns two numbers.
pub fn two() -> (u32, u32) {
    (1, 2)
}
";

const EXERCISES: &str = r#"
[[write]]
name = "one"
title = "the first number"
difficulty = 1
minutes = 1
functions = ["one"]
task = "Write one."
claims = ["it holds"]
hints = ["What?", "Where?", "How!"]
explanation = "So it is."

[[write]]
name = "two"
title = "two numbers"
difficulty = 1
minutes = 1
functions = ["two"]
task = "Write two."
claims = ["it holds"]
hints = ["a", "b", "c"]
explanation = "So they are."

[[bug]]
name = "swapped"
title = "swapped"
difficulty = 1
minutes = 1
task = "It is the wrong way round."
claims = ["it holds"]
hints = ["a", "b", "c"]
explanation = "They were swapped."
"#;

const PATCH: &str = "--- a/steps/01-a/src/lib.rs
+++ b/steps/01-a/src/lib.rs
@@ -15,3 +15,3 @@
 pub fn two() -> (u32, u32) {
-    (1, 2)
+    (2, 1)
 }
";

struct Learner(TempDir);

impl Learner {
    fn new() -> Learner {
        let learner = Learner::without_git();
        learner.git(&["init", "-q"]);
        learner.commit();
        learner
    }

    fn without_git() -> Learner {
        let learner = Learner(tempfile::tempdir().unwrap());
        learner.write("steps/01-a/src/lib.rs", LIB);
        learner.write("steps/01-a/src/main.rs", "fn main() {}\n");
        learner.write("steps/01-a/Cargo.toml", "[package]\n");
        learner.write("steps/01-a/exercises.toml", EXERCISES);
        learner.write("steps/01-a/exercises/swapped.patch", PATCH);
        learner
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn lib(&self) -> String {
        fs::read_to_string(self.path("steps/01-a/src/lib.rs")).unwrap()
    }

    fn edit(&self, from: &str, to: &str) {
        let text = self.lib();
        assert!(text.contains(from), "{from} is not in {text}");
        self.write("steps/01-a/src/lib.rs", &text.replacen(from, to, 1));
    }

    fn git(&self, words: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.0.path()).args(["-c", "user.name=x", "-c", "user.email=x@localhost"]);
        let output = git.args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "x"]);
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut practice = Command::new(env!("CARGO_BIN_EXE_practice"));
        practice.args(words).current_dir(self.0.path()).env("GIT_CEILING_DIRECTORIES", "/tmp");
        practice.output().unwrap()
    }

    fn succeeds(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{words:?}: {text}");
        text
    }

    /// Fails with these words, and changes no file.
    fn fails(&self, words: &[&str], says: &str) {
        let before = self.lib();
        let output = self.run(words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.starts_with("Error: "), "{words:?}: {text}");
        assert!(text.contains(says), "{words:?}: {text}");
        assert_eq!(self.lib(), before);
    }

    /// Whether a line is in one of the versions that were kept.
    fn keeps(&self, line: &str) -> bool {
        fn find(directory: &Path, line: &str) -> bool {
            fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| {
                let path = entry.path();
                let text = || String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                if path.is_dir() { find(&path, line) } else { text().contains(line) }
            })
        }
        find(&self.path(".git/practice/kept"), line)
    }
}

#[test]
fn an_exercise_begins_and_is_given_up() {
    let learner = Learner::new();
    let printed = learner.succeeds(&["start", "1"]);
    assert!(printed.contains("01 one") && printed.contains("Write one."), "{printed}");
    let hollow = learner.lib();
    assert!(hollow.contains("todo!(\"01 one: the first number\")"), "{hollow}");
    assert!(!hollow.contains("ANSWER") && !hollow.contains("nobody should see"), "{hollow}");
    assert!(hollow.contains("#![allow(unused)]") && hollow.contains("/// Returns one number."));
    assert!(learner.run(&["status", "--quiet"]).status.success());
    learner.edit("todo!(\"01 one: the first number\")", "41 // mine");
    let printed = learner.succeeds(&["reset", "01"]);
    assert_eq!(learner.lib(), LIB);
    assert!(printed.contains(".git/practice/kept/") && learner.keeps("41 // mine"), "{printed}");
    assert!(!learner.run(&["status", "--quiet"]).status.success());
}

#[test]
fn hints_rise_and_the_solution_shows_the_difference() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01", "--exercise", "one"]);
    for (count, last) in [(1, "What?"), (2, "Where?"), (3, "How!"), (3, "How!")] {
        let printed = learner.succeeds(&["hint", "01"]);
        assert!(printed.contains(&format!("{count} of 3: {last}")), "{printed}");
    }
    let printed = learner.succeeds(&["solution", "01"]);
    assert!(printed.contains("+    max(ANSWER, 1) // the answer") && printed.contains("So it is."));
    assert!(!printed.contains("pub fn two"), "{printed}");
}

#[test]
fn a_solution_that_is_not_read_to_its_end_leaves_nothing() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01"]);
    let scratch = tempfile::tempdir().unwrap();
    let mut practice = Command::new(env!("CARGO_BIN_EXE_practice"));
    practice.args(["solution", "01"]).current_dir(learner.0.path()).env("TMPDIR", scratch.path());
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = practice.stdout(writer).spawn().unwrap();
    drop(practice); // its writing end
    let mut first = [0; 1];
    std::io::Read::read_exact(&mut &reader, &mut first).unwrap();
    drop(reader);
    child.wait().unwrap();
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_syntax_error_keeps_nothing_from_its_way_back() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01"]);
    learner.edit("todo!(", "}}}} \" my line (");
    learner.succeeds(&["hint", "01"]);
    learner.succeeds(&["solution", "01"]);
    learner.succeeds(&["reset", "01"]);
    assert_eq!(learner.lib(), LIB);
    assert!(learner.keeps("my line"));
}

#[test]
fn what_is_not_utf_8_is_kept_by_the_byte() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01"]);
    fs::write(learner.path("steps/01-a/src/lib.rs"), b"mine \xff\xfe").unwrap();
    learner.succeeds(&["reset", "01"]);
    assert_eq!(learner.lib(), LIB);
    assert!(learner.keeps("mine"));
}

#[test]
fn in_the_middle_of_one_another_does_not_begin() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01"]);
    learner.edit("todo!(", "let mine = 1; todo!(");
    learner.fails(&["start", "01", "--exercise", "two"], "01 one is open");
    learner.fails(&["bug", "01"], "01 one is open");
    let printed = learner.succeeds(&["start", "01"]);
    assert!(printed.contains("is open") && learner.lib().contains("let mine = 1;"), "{printed}");
}

#[test]
fn changes_of_the_learners_own_are_not_touched() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01"]);
    learner.succeeds(&["reset", "01"]);
    learner.edit("(1, 2)", "(1, 3)");
    learner.fails(&["start", "01"], "has changes that are not committed");
    learner.git(&["add", "-A"]);
    learner.fails(&["start", "01"], "has changes that are not committed");
    learner.edit("(1, 3)", "(1, 4)");
    learner.fails(&["start", "01"], "what is staged differs from the file");
    learner.commit();
    learner.succeeds(&["start", "01"]);
    assert!(learner.lib().contains("(1, 4)"));
    learner.succeeds(&["reset", "01"]);
    assert!(learner.lib().contains("(1, 4)"), "what was committed before belongs to the learner");
    learner.succeeds(&["reset", "01", "--all"]);
    assert_eq!(learner.lib(), LIB, "the course's commit is that of the first practice");
    assert!(learner.keeps("(1, 4)"));
}

#[test]
fn a_function_that_was_renamed_is_named() {
    let learner = Learner::new();
    learner.edit("fn one", "fn eins");
    learner.commit();
    let says = "there is no function one: was it renamed or moved?\nhint: make reset-01 ALL=1";
    learner.fails(&["start", "01"], says);
    assert!(!learner.run(&["status", "--quiet"]).status.success());
}

#[test]
fn what_is_not_there_is_named() {
    let learner = Learner::new();
    learner.fails(&["start", "17"], "there is no chapter \"17\"");
    learner.fails(&["start", "../../etc"], "there is no chapter");
    learner.fails(&["start", "01", "--exercise", "three"], "it has one, two");
    learner.fails(&["bug", "01", "--number", "9"], "bugs 1 to 1");
    learner.fails(&["hint", "01"], "no exercise is open");
}

#[test]
fn without_git_it_says_what_to_do() {
    let learner = Learner::without_git();
    learner.fails(&["start", "01"], "git init && git add -A && git commit -m course");
    learner.git(&["init", "-q"]);
    learner.fails(&["start", "01"], "there is no commit to go back to");
}

#[test]
fn a_bug_is_hidden_shown_and_taken_back() {
    let learner = Learner::new();
    let printed = learner.succeeds(&["bug", "01"]);
    assert!(
        printed.contains("It is the wrong way round.") && !printed.contains("swapped"),
        "{printed}"
    );
    assert!(learner.lib().contains("(2, 1)"));
    assert!(learner.succeeds(&["solution", "01"]).contains("+    (1, 2)"));
    learner.succeeds(&["reset", "01"]);
    assert_eq!(learner.lib(), LIB);
}

#[test]
fn a_bug_that_does_not_fit_the_learners_text_comes_in_the_courses() {
    let learner = Learner::new();
    learner.edit("    (1, 2)", "    let mine = (1, 2);\n    mine");
    learner.commit();
    learner.git(&["tag", "own"]);
    learner.succeeds(&["commit", "HEAD~1"]);
    learner.succeeds(&["bug", "01"]);
    assert!(learner.lib().contains("(2, 1)"));
    learner.succeeds(&["reset", "01"]);
    assert!(learner.lib().contains("let mine"));
}

#[test]
fn a_new_version_of_the_course_in_the_middle_of_an_exercise() {
    let learner = Learner::new();
    learner.git(&["branch", "course"]);
    learner.edit("max(ANSWER, 1)", "max(ANSWER, 3 - 2)");
    learner.git(&["commit", "-qam", "mine"]);
    learner.git(&["branch", "mine"]);
    learner.succeeds(&["commit", "course"]);
    learner.succeeds(&["start", "01", "--exercise", "two"]);
    learner.edit("todo!(", "let mine = 7; todo!(");
    learner.git(&["commit", "-qam", "mine, too"]);
    let branch = Command::new("git")
        .current_dir(learner.0.path())
        .args(["branch", "--show-current"])
        .output();
    let branch = String::from_utf8(branch.unwrap().stdout).unwrap();
    learner.git(&["checkout", "-q", "course"]);
    learner.edit("Returns one number", "Returns a single number");
    learner.git(&["commit", "-qam", "new"]);
    learner.git(&["checkout", "-q", branch.trim()]);
    learner.git(&["merge", "-q", "--no-edit", "course"]);
    assert!(learner.lib().contains("let mine = 7;") && learner.lib().contains("a single number"));
    learner.succeeds(&["commit", "course"]);
    learner.succeeds(&["reset", "01"]);
    let own = LIB.replace("max(ANSWER, 1)", "max(ANSWER, 3 - 2)");
    assert_eq!(learner.lib(), own.replace("Returns one number", "Returns a single number"));
    assert!(learner.keeps("let mine = 7;"));
}

#[test]
fn what_cannot_be_taken_out_does_not_begin() {
    if nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: root may write everywhere");
    }
    let learner = Learner::new();
    let source = learner.path("steps/01-a/src");
    let set_mode = |mode| fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o555);
    learner.fails(&["start", "01"], "Permission denied");
    set_mode(0o755);
    assert!(!learner.run(&["status", "--quiet"]).status.success());
    learner.succeeds(&["start", "01"]);
}

#[test]
fn a_link_in_the_place_of_a_file_is_refused() {
    let learner = Learner::new();
    let lib = learner.path("steps/01-a/src/lib.rs");
    fs::rename(&lib, learner.path("elsewhere.rs")).unwrap();
    symlink(learner.path("elsewhere.rs"), &lib).unwrap();
    learner.commit();
    learner.fails(&["start", "01"], "is not a regular file");
    assert!(lib.is_symlink());
}

#[test]
fn a_memory_that_cannot_be_read_is_not_overwritten() {
    let learner = Learner::new();
    learner.write(".git/practice/state.json", "{ mine");
    learner.fails(&["start", "01"], "cannot be understood");
    let memory = fs::read_to_string(learner.path(".git/practice/state.json")).unwrap();
    assert_eq!(memory, "{ mine");
}

#[test]
fn all_of_the_library_at_once() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01", "--exercise", "all"]);
    assert_eq!(learner.lib().matches("todo!(").count(), 2);
    learner.succeeds(&["reset", "01"]);
    assert_eq!(learner.lib(), LIB);
}

#[test]
fn the_course_can_be_written_out_whatever_the_tree_is_like() {
    let learner = Learner::new();
    learner.succeeds(&["start", "01"]);
    let out = learner.path("out");
    learner.succeeds(&["original", out.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(out.join("steps/01-a/src/lib.rs")).unwrap(), LIB);
}
