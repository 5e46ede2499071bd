//! Links to the glossary, so that every word is explained where a page uses it first.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::Page;

/// The page that explains the terms, each under a heading of its own.
pub const PAGE: &str = "glossary.md";

/// A term with its other spellings, and the anchor that leads to it.
pub struct Term {
    names: Vec<String>,
    anchor: String,
}

/// The terms of the glossary: headings such as `### control group, cgroup`.
pub fn terms(pages: &[Page]) -> Vec<Term> {
    let text = pages.iter().find(|(path, _)| path == PAGE).map_or("", |(_, text)| text);
    let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
    headings
        .map(|heading| Term {
            names: heading.split(", ").map(str::to_owned).collect(),
            anchor: anchor(heading),
        })
        .collect()
}

/// The anchor that mdBook gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// The page with a link at the first use of each term. Headings, code, links and HTML stay as they
/// are.
pub fn link(text: &str, terms: &[Term]) -> String {
    let prose = prose(text);
    let mut links: Vec<(usize, usize, &str)> = Vec::new();
    // Longer names first: "mount namespace" is not a "mount".
    let mut names: Vec<(&str, &Term)> = terms
        .iter()
        .flat_map(|term| term.names.iter().map(move |name| (&name[..], term)))
        .collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let mut taken: Vec<(usize, usize)> = Vec::new();
    let mut first: Vec<(usize, usize, &Term)> = Vec::new();
    for (name, term) in names {
        for &(start, end) in &prose {
            for (at, length) in occurrences(&text[start..end], name) {
                let range = (start + at, start + at + length);
                if taken.iter().all(|&(from, to)| range.1 <= from || to <= range.0) {
                    taken.push(range);
                    first.push((range.0, range.1, term));
                }
            }
        }
    }
    first.sort_by_key(|&(start, ..)| start);
    let mut seen: Vec<*const Term> = Vec::new();
    for (start, end, term) in first {
        if !seen.contains(&std::ptr::from_ref(term)) {
            seen.push(term);
            links.push((start, end, &term.anchor));
        }
    }
    let mut linked = text.to_owned();
    for (start, end, anchor) in links.into_iter().rev() {
        let link = format!("[{}]({PAGE}#{anchor})", &text[start..end]);
        linked.replace_range(start..end, &link);
    }
    linked
}

/// Where the page has running text.
fn prose(text: &str) -> Vec<(usize, usize)> {
    let (mut ranges, mut depth) = (Vec::new(), 0);
    let closed = |tag: &TagEnd| {
        matches!(
            tag,
            TagEnd::Link
                | TagEnd::Image
                | TagEnd::Heading(_)
                | TagEnd::CodeBlock
                | TagEnd::HtmlBlock
        )
    };
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(
                Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::Heading { .. }
                | Tag::CodeBlock(_)
                | Tag::HtmlBlock,
            ) => depth += 1,
            Event::End(tag) if closed(&tag) => depth -= 1,
            Event::Text(_) if depth == 0 => ranges.push((range.start, range.end)),
            _ => {}
        }
    }
    ranges
}

/// Where `text` has `name` as a word, singular or plural, at the beginning of a sentence, too.
fn occurrences(text: &str, name: &str) -> Vec<(usize, usize)> {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_-/".contains(c));
    let mut found = Vec::new();
    for (at, _) in text.char_indices() {
        let Some(part) = text.get(at..at + name.len()) else { continue };
        let rest = &text[at + name.len()..];
        let plural = usize::from(rest.starts_with('s'));
        let alike =
            part == name || (part.get(1..) == name.get(1..) && part.eq_ignore_ascii_case(name));
        let bounded = !word(text[..at].chars().next_back())
            && !word(rest[plural..].chars().next())
            && !rest[plural..].starts_with('(');
        if alike && bounded {
            found.push((at, name.len() + plural));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_is_linked_and_code_and_headings_are_not() {
        let glossary = "### mount\n\n### mount namespace\n\n### control group, cgroup\n";
        let terms = terms(&[(PAGE.into(), glossary.into())]);
        let text = "# A mount\n\nMounts and a `mount`, a mount namespace, mounts again, cgroups.\n";
        let expected = "# A mount\n\n[Mounts](glossary.md#mount) and a `mount`, a \
            [mount namespace](glossary.md#mount-namespace), mounts again, \
            [cgroups](glossary.md#control-group-cgroup).\n";
        assert_eq!(link(text, &terms), expected);
    }
}
