//! What the learner reads.

use std::io::IsTerminal;

use crate::declaration::{Chapter, Exercise, Kind};

/// Columns of text that the eye follows from one line to the next.
const WIDEST: usize = 100;

/// Text in a colour, where a terminal shows it.
pub fn paint(code: &str, text: &str) -> String {
    match std::io::stdout().is_terminal() {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// One line that names an exercise.
pub fn heading(chapter: &Chapter, exercise: &Exercise) -> String {
    let label = format!("{} {}", chapter.number(), chapter.label(exercise));
    let effort = format!("{}, {} minutes", exercise.stars(), exercise.text.minutes);
    match exercise.kind {
        Kind::Bug => format!("{}  ({effort})", paint("1", &label)),
        _ => format!("{}: {}  ({effort})", paint("1", &label), exercise.text.title),
    }
}

/// The task, where it is done, and how it is judged.
pub fn task(chapter: &Chapter, exercise: &Exercise, what: &str) {
    let number = chapter.number();
    println!("{} {what}.\n", heading(chapter, exercise));
    println!("{}\n", indented(&exercise.text.task));
    let places = exercise.places(&chapter.step);
    for (path, function) in &places {
        println!("  write  {function}  in {}", path.display());
    }
    if exercise.text.main {
        println!(
            "  write  steps/{}/src/main.rs, which is now that of the step before",
            chapter.step
        );
    }
    println!("  judge  make check-{number}     (make watch-{number}: at each save)");
    if exercise.kind == Kind::Bug {
        println!("  look   make step-{number}, make trace-{number}, make diff-{number}");
    }
    println!("  hint   make hint-{number}      {} of them", exercise.text.hints.len());
    println!("  stop   make reset-{number}     what you wrote is kept aside");
    if chapter.number() < "05" {
        let danger = format!(
            "Steps 01 to 04 run as root, and a broken one can do to this machine what root can. \
             In a machine that is thrown away: make vm CMD='make check-{number} SUDO=sudo'."
        );
        println!("\n{}", filled(&danger));
    }
}

/// Paragraphs two columns to the right, as wide as the terminal, and not wider than one likes to
/// read.
pub fn indented(text: &str) -> String {
    fill(text, "  ")
}

/// The same for what belongs to a claim.
pub fn deeply_indented(text: &str) -> String {
    fill(text, "          ")
}

/// The same at the left edge.
pub fn filled(text: &str) -> String {
    fill(text, "")
}

fn fill(text: &str, indent: &str) -> String {
    let width = textwrap::termwidth().min(WIDEST);
    let options = textwrap::Options::new(width).initial_indent(indent).subsequent_indent(indent);
    let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let fill = |paragraph: &str| {
        textwrap::fill(&paragraph.split_whitespace().collect::<Vec<_>>().join(" "), &options)
    };
    text.trim().split("\n\n").map(fill).collect::<Vec<_>>().join("\n\n")
}
