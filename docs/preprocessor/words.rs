//! Words of code that stay on one line: a browser would break `--read-only` after each of its hyphens.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A longer word may be broken, because it may be wider than a telephone.
const LONGEST: usize = 24;

/// The page with a `span` around each word with a hyphen in a piece of code that stands in running text. Links and headings
/// stay as they are: their text is also an address.
pub fn keep_whole(text: &str) -> String {
    let mut kept = text.to_owned();
    for (place, code) in pieces(text).into_iter().rev() {
        if code.split(' ').any(breaks) {
            let words: Vec<String> = code.split(' ').map(whole).collect();
            kept.replace_range(place, &format!("<code>{}</code>", words.join(" ")));
        }
    }
    kept
}

/// The pieces of code in running text.
fn pieces(text: &str) -> Vec<(Range<usize>, String)> {
    let (mut pieces, mut depth) = (Vec::new(), 0);
    for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Heading { .. }) => depth += 1,
            Event::End(TagEnd::Link | TagEnd::Image | TagEnd::Heading(_)) => depth -= 1,
            Event::Code(code) if depth == 0 => pieces.push((place, code.into_string())),
            _ => {}
        }
    }
    pieces
}

fn breaks(word: &str) -> bool {
    word.contains('-') && !word.contains('/') && word.chars().count() <= LONGEST
}

/// The word as HTML, in which no character means anything to Markdown.
fn whole(word: &str) -> String {
    let escape = |c: char| match c.is_ascii_punctuation() {
        true => format!("&#{};", u32::from(c)),
        false => c.to_string(),
    };
    let html: String = word.chars().map(escape).collect();
    if breaks(word) { format!("<span class=\"whole\">{html}</span>") } else { html }
}

#[cfg(test)]
mod tests {
    use super::keep_whole;

    #[test]
    fn words_with_hyphens_stay_whole() {
        let page = "# `a-b`\n\nUse `make --x | y` or [`c-d`](e.md), not `plain`, `/long-path/x`.\n";
        let whole = "<code>make <span class=\"whole\">&#45;&#45;x</span> &#124; y</code>";
        assert_eq!(keep_whole(page), page.replace("`make --x | y`", whole));
    }

    #[test]
    fn a_bar_in_a_table_and_blocks_of_code_stay() {
        let page = "| a |\n|---|\n| `a-b \\| c` |\n\n```sh\n`ls -l`\n```\n";
        let whole = "<code><span class=\"whole\">a&#45;b</span> &#124; c</code>";
        assert_eq!(keep_whole(page), page.replace("`a-b \\| c`", whole));
    }
}
