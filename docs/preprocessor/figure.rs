//! A picture in the page itself: there it takes the colours of the reader's theme.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The SVG with its text alternative, and below it the caption, if there is one. The style sheet of
/// the file is for those who open it by itself; in the book `theme/course.css` has the colours.
pub fn inline(file: &Path, alternative: &str, caption: &str) -> Result<String> {
    ensure!(alternative.len() > 20, "a picture needs a text alternative");
    let svg = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let (before, rest) = svg.split_once("<style>").context("no style sheet")?;
    let (_, after) = rest.split_once("</style>\n").context("no end of the style sheet")?;
    let label = alternative.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let svg = format!("{before}{after}").replace("<svg ", &format!("<svg aria-label=\"{label}\" "));
    let caption = match caption {
        "" => String::new(),
        text => format!("<figcaption>{}</figcaption>\n", text.replace("\\\"", "\"")),
    };
    Ok(format!("<figure>\n<div class=\"picture\">\n{}</div>\n{caption}</figure>\n", svg))
}
