use super::*;

const FILE: &str = "//! About it.

use std::fs;

/// How many.
const COUNT: [u8; SIZE] = [1, 2];
const SIZE: usize = 2;
const OTHER: usize = 3;

/// Waits.
pub fn wait() -> usize {
    // The answer: all of them.
    COUNT.iter().map(|n| *n as usize).sum::<usize>() + OTHER // }
}

impl Container {
    /// Waits, too.
    pub fn wait(&self) -> usize { OTHER }
}

impl Drop for Container {
    fn drop(&mut self) {
        wait();
    }
}
";

fn hollow_wait(text: &str) -> String {
    hollow(text, &["wait"], &["the way".into()], "02 wait: say \"when\"", &[]).unwrap()
}

#[test]
fn only_the_named_body_goes_and_what_gives_it_away() {
    let hollowed = hollow_wait(FILE);
    assert!(hollowed.contains(
        "pub fn wait() -> usize {\n    // the way\n    todo!(\"02 wait: say \\\"when\\\"\")\n}"
    ));
    assert!(!hollowed.contains("COUNT") && !hollowed.contains("SIZE"), "{hollowed}");
    assert!(!hollowed.contains("How many") && !hollowed.contains("The answer"), "{hollowed}");
    assert!(hollowed.contains("const OTHER") && hollowed.contains("{ OTHER }"));
    assert!(hollowed.contains("/// Waits.\n"));
    assert_eq!(holes(&hollowed).len(), 1);
}

#[test]
fn a_method_is_named_with_its_type_and_its_trait() {
    for (name, before, after) in [
        (
            "Container::wait",
            "wait(&self) -> usize { OTHER }",
            "wait(&self) -> usize {\n        todo!",
        ),
        ("Drop for Container::drop", "        wait();\n", "drop(&mut self) {\n        todo!"),
    ] {
        let hollowed = hollow(FILE, &[name], &[], "x", &[]).unwrap();
        assert!(!hollowed.contains(before) && hollowed.contains(after), "{hollowed}");
    }
    assert!(hollow(FILE, &["Container::drop"], &[], "x", &[]).is_err());
}

#[test]
fn a_constant_that_another_file_uses_stays() {
    let hollowed = hollow(FILE, &["wait"], &[], "x", &["fn f() { super::SIZE; }".into()]).unwrap();
    assert!(!hollowed.contains("COUNT") && hollowed.contains("const SIZE"), "{hollowed}");
}

#[test]
fn what_was_taken_out_comes_back_by_the_byte() {
    for text in [FILE.to_owned(), format!("\u{feff}{FILE}"), format!("#!/bin/x\n{FILE}")] {
        let hollowed = hollow(&text, &["Container::wait"], &[], "x", &[]).unwrap();
        assert_eq!(fill(&hollowed, &text, &["Container::wait"]).unwrap(), text);
    }
    let windows = FILE.replace('\n', "\r\n");
    let hollowed = hollow(&windows, &["Drop for Container::drop"], &[], "x", &[]).unwrap();
    assert_eq!(fill(&hollowed, &windows, &["Drop for Container::drop"]).unwrap(), windows);
}

#[test]
fn the_allowance_comes_and_goes_without_a_trace() {
    let no_comments = FILE.replace("//! About it.\n\n", "");
    for text in [FILE, &no_comments, "\u{feff}fn f() {}\n"] {
        let with = with_allowance(text).unwrap();
        assert!(Source::parse(&with).is_ok() && with != text);
        assert_eq!(with_allowance(&with).unwrap(), with);
        assert_eq!(without_allowance(&with), text);
    }
}

#[test]
fn a_syntax_error_is_named_with_its_line() {
    let error = hollow("fn f() {\n    (\n}\n", &["f"], &[], "x", &[]).unwrap_err();
    assert!(error.to_string().starts_with("line "), "{error}");
}

#[test]
fn what_cannot_be_hollow_is_refused() {
    for text in ["const fn f() {}", "fn f() -> impl Iterator<Item = u8> { [].into_iter() }"] {
        assert!(hollow(text, &["f"], &[], "x", &[]).is_err(), "{text}");
    }
}

#[test]
fn a_comment_is_no_hole() {
    assert!(holes("// todo!(\"later\")\nfn f() {} // no todo!() here\n").is_empty());
}
