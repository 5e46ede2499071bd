//! Tables on narrow screens: where a row is too long to be read in columns, its cells are put below each other.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A row of so many characters, in so many columns, is read without effort on a telephone.
const READABLE: usize = 70;

/// More columns than these are figures or marks, which are compared across rows.
const COLUMNS: std::ops::RangeInclusive<usize> = 3..=6;

/// A table of the page: where it is, its headings, and the characters of its longest row.
#[derive(Default)]
struct Table {
    place: std::ops::Range<usize>,
    headings: Vec<String>,
    longest: usize,
}

/// The page with a `div` around each table of long rows. The style sheet puts its cells below each
/// other on a narrow screen, each with the heading of its column, which it finds in the `div`.
pub fn stack(text: &str) -> String {
    let mut stacked = text.to_owned();
    for table in tables(text).into_iter().rev() {
        if COLUMNS.contains(&table.headings.len()) && table.longest > READABLE {
            let headings: String = (1..).zip(&table.headings).map(variable).collect();
            let rows = &text[table.place.clone()];
            let div = format!("<div class=\"stacked\" style=\"{headings}\">\n\n{rows}\n</div>\n");
            stacked.replace_range(table.place, &div);
        }
    }
    stacked
}

/// A heading as a string of CSS in an attribute of HTML.
fn variable((number, heading): (usize, &String)) -> String {
    let string = heading.replace('\\', "\\\\").replace('\'', "\\'");
    let escaped = string.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!("--heading-{number}: '{escaped}';")
}

fn tables(text: &str) -> Vec<Table> {
    let (mut tables, mut table, mut row, mut head) = (Vec::new(), Table::default(), 0, false);
    for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Table(_)) => table = Table { place, ..Table::default() },
            Event::Start(Tag::TableHead) => head = true,
            Event::Start(Tag::TableRow) => row = 0,
            Event::Start(Tag::TableCell) if head => table.headings.push(String::new()),
            Event::Text(words) | Event::Code(words) => {
                row += words.chars().count();
                if let Some(heading) = table.headings.last_mut().filter(|_| head) {
                    heading.push_str(&words);
                }
            }
            Event::End(TagEnd::TableHead) => head = false,
            Event::End(TagEnd::TableRow) => table.longest = table.longest.max(row),
            Event::End(TagEnd::Table) => tables.push(std::mem::take(&mut table)),
            _ => {}
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::stack;

    #[test]
    fn long_rows_of_a_few_columns_are_stacked() {
        let long = "far more than what a telephone shows beside another cell in one line";
        let table = format!("| a | `b`'s | \"c\" |\n|---|---|---|\n| {long} | {long} | x |\n");
        let page = format!("Before\n\n{table}\nAfter\n");
        let style = "--heading-1: 'a';--heading-2: 'b\\'s';--heading-3: '&quot;c&quot;';";
        let div = format!("<div class=\"stacked\" style=\"{style}\">\n\n{table}\n</div>\n");
        assert_eq!(stack(&page), format!("Before\n\n{div}\nAfter\n"));
        let short = page.replace(long, "short");
        assert_eq!(stack(&short), short);
    }

    #[test]
    fn two_columns_and_many_columns_stay() {
        let long = "x".repeat(100);
        let two = format!("| a | b |\n|---|---|\n| {long} | x |\n");
        let many = format!("{}\n{}\n| {long} |\n", "| a ".repeat(9), "|---".repeat(9));
        assert_eq!((stack(&two), stack(&many)), (two.clone(), many.clone()));
    }
}
