//! The list of chapters, `steps/chapters`.

/// A chapter of the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Its step: the directory below `steps/`, and the program. It begins with the number.
    pub step: &'static str,
    /// What its container adds to the one of the chapter before.
    pub adds: &'static str,
}

/// All nine, in their order.
pub const CHAPTERS: [Chapter; 9] = parse(include_str!("../../steps/chapters"));

/// Reads the lines that are not comments. It runs when this crate is compiled, so that a list of
/// another length is an error there.
const fn parse(mut list: &'static str) -> [Chapter; 9] {
    let mut chapters = [Chapter { step: "", adds: "" }; 9];
    let mut count = 0;
    while !list.is_empty() {
        let (line, rest) = split(list, b'\n');
        if line.as_bytes()[0] != b'#' {
            let (step, adds) = split(line, b' ');
            chapters[count] = Chapter { step, adds: adds.trim_ascii() };
            count += 1;
        }
        list = rest;
    }
    assert!(count == chapters.len());
    chapters
}

/// What comes before the first `separator`, and what comes after it.
const fn split(text: &str, separator: u8) -> (&str, &str) {
    let mut end = 0;
    while text.as_bytes()[end] != separator {
        end += 1;
    }
    let (before, after) = text.split_at(end);
    (before, after.split_at(1).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_one_to_nine() {
        for (index, chapter) in CHAPTERS.iter().enumerate() {
            assert!(chapter.step.starts_with(&format!("{:02}-", index + 1)), "{chapter:?}");
            assert!(!chapter.adds.is_empty());
        }
    }
}
