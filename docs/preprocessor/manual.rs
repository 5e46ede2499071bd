//! The pages of the manual that the book names: `clone3(2)`, `namespaces(7)`.

use std::collections::{BTreeMap, BTreeSet};

use crate::Page;

/// A list for each section of the manual, with links to the pages of the book.
pub fn index(pages: &[Page]) -> String {
    let mut named: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for (path, text) in pages.iter().filter(|(path, _)| path != "manual.md") {
        for (name, section) in names(text) {
            named.entry((section, name)).or_default().insert(path);
        }
    }
    let title = |path: &str| {
        let text = pages.iter().find(|(other, _)| other == path).map_or("", |(_, text)| text);
        text.lines().next().unwrap_or("").trim_start_matches("# ").to_owned()
    };
    let (mut list, mut last) = (String::new(), "");
    for ((section, name), paths) in &named {
        if section != last {
            list += &format!("\n## Section {section}\n\n");
            last = section;
        }
        let short = |path: &str| path.trim_end_matches(".md").to_owned();
        let links: Vec<String> = paths
            .iter()
            .map(|path| {
                format!(
                    "<a href=\"{}\" title=\"{}\">{}</a>",
                    path.replace(".md", ".html"),
                    title(path).replace('"', ""),
                    short(path)
                )
            })
            .collect();
        list += &format!("- {name}({section}): {}\n", links.join(", "));
    }
    list
}

/// Every `name(section)` of a text, outside of its blocks of code.
pub fn names(text: &str) -> Vec<(String, String)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices('(') {
            let word = |c: char| c.is_ascii_alphanumeric() || "_.-+".contains(c);
            let name: String = line[..at].chars().rev().take_while(|&c| word(c)).collect();
            let name: String = name.chars().rev().collect();
            let section = line[at + 1..].split(')').next().unwrap_or("");
            let digit = section.starts_with(|c: char| ('1'..='8').contains(&c));
            let rest = section
                .get(1..)
                .is_some_and(|rest| ["", "const", "type", "head", "x", "p"].contains(&rest));
            if digit && rest && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                found.push((name, section.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_page_of_the_manual_has_a_name_and_a_section() {
        let found =
            super::names("See clone3(2), `f(0)`, TIOCSTI(2const) and proc(5).\n```\nx(1)\n```\n");
        let found: Vec<_> =
            found.iter().map(|(name, section)| format!("{name}.{section}")).collect();
        assert_eq!(found, ["clone3.2", "TIOCSTI.2const", "proc.5"]);
    }
}
