//! Pictures from text: `docs/figures/NAME.fig` becomes `docs/src/figures/NAME.svg`.
//!
//! One line is one thing; positions count in tens of pixels; `|` breaks a line of text.
//!
//! ```text
//! size 64 20                            width and height; comes first
//! title What the picture shows          for readers that cannot see it
//! box host 0 0 64 20 the host           a frame, its name in the corner
//! node inside 10 5 12 4 payload|pid 1   a thing, its name in the middle
//! text 3 4 words                        also: note (small), mono, mid (centred), big
//! arrow 10,7 22,7 : clone3              also: dash (dashed), line, wall (thick, without a head)
//! ```
//!
//! Kinds of boxes: `host` (grey), `inside` (blue), `kernel` (yellow), `bad` (red), `good` (green),
//! `plain`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// For the file by itself: on a forge the reader's system says whether it is dark.
const STYLE: &str = include_str!("../figures/style.css");

/// Draws all figures below `docs`.
pub fn all(docs: &Path) -> Result<()> {
    let entries =
        fs::read_dir(docs.join("figures")).context("docs/figures: run this at the top")?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "fig") {
            let text = fs::read_to_string(&path)?;
            let svg = figure(&text).with_context(|| path.display().to_string())?;
            let name = path.with_extension("svg");
            let name = name.file_name().context("no name")?;
            fs::write(docs.join("src/figures").join(name), svg)?;
        }
    }
    Ok(())
}

/// One figure as SVG.
pub fn figure(text: &str) -> Result<String> {
    let (mut size, mut title, mut body) = ((64.0, 20.0), "", String::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let Some((verb, rest)) = line.split_once(' ').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let drawn = match verb {
            "size" => numbers(rest).map(|([w, h], _)| {
                size = (w, h);
                String::new()
            }),
            "title" => {
                title = rest;
                Ok(String::new())
            }
            "box" | "node" => shape(verb, rest),
            "text" | "note" | "mono" | "mid" | "big" => {
                numbers(rest).map(|([x, y], words)| label(verb, x, y, words))
            }
            "arrow" | "dash" | "line" | "wall" => path(verb, rest),
            _ => bail!("line {}: there is no {verb}", number + 1),
        };
        body += &drawn.with_context(|| format!("line {}: {line}", number + 1))?;
    }
    let (width, height) = (size.0 * 10.0, size.1 * 10.0);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" role=\"img\" viewBox=\"-4 -4 {} {}\" width=\"{}\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path class=\"tip\" d=\"M0 0 10 5 0 10z\"/></marker></defs>\n{body}</svg>\n",
        width + 8.0,
        height + 8.0,
        width + 8.0,
        escape(title)
    ))
}

/// The first `N` numbers of a line, and the rest.
fn numbers<const N: usize>(text: &str) -> Result<([f64; N], &str)> {
    let (mut values, mut rest) = ([0.0; N], text);
    for value in &mut values {
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        *value = word.parse().with_context(|| format!("{word:?} is not a number"))?;
        rest = more;
    }
    Ok((values, rest))
}

fn shape(verb: &str, rest: &str) -> Result<String> {
    let (kind, rest) = rest.split_once(' ').context("a kind and four numbers")?;
    let ([x, y, w, h], words) = numbers(rest)?;
    let radius = if verb == "box" { 8 } else { 5 };
    let (left, top, width, height) = (x * 10.0, y * 10.0, w * 10.0, h * 10.0);
    let mut svg = format!(
        "<rect class=\"{verb} {kind}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>\n"
    );
    if verb == "box" {
        svg += &label("name", x + 1.0, y + 1.9, words);
    } else {
        let lines = words.split('|').count() as f64;
        svg += &label("mid", x + w / 2.0, y + h / 2.0 + 0.5 - (lines - 1.0) * 0.85, words);
    }
    Ok(svg)
}

fn label(class: &str, x: f64, y: f64, words: &str) -> String {
    let mut svg = String::new();
    for (number, line) in words.split('|').enumerate().filter(|(_, line)| !line.is_empty()) {
        let (x, y) = (x * 10.0, y * 10.0 + 17.0 * number as f64);
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\">{}</text>",
            escape(line)
        );
    }
    svg
}

fn path(verb: &str, rest: &str) -> Result<String> {
    let (points, words) = rest.split_once(" : ").unwrap_or((rest, ""));
    let points: Vec<(f64, f64)> = points
        .split_whitespace()
        .map(|point| {
            let (x, y) = point.split_once(',').context("a point is X,Y")?;
            Ok((x.parse::<f64>()? * 10.0, y.parse::<f64>()? * 10.0))
        })
        .collect::<Result<_>>()?;
    let line: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
    let head = if verb == "arrow" || verb == "dash" { " marker-end=\"url(#head)\"" } else { "" };
    let mut svg = format!("<polyline class=\"{verb}\" points=\"{}\"{head}/>\n", line.join(" "));
    if !words.is_empty() {
        // In the middle of the longest part, above it; beside it where that is upright.
        let length = |pair: &&[(f64, f64)]| {
            ((pair[0].0 - pair[1].0).abs() + (pair[0].1 - pair[1].1).abs()) as i64
        };
        let longest = points.windows(2).max_by_key(length).context("an arrow has two points")?;
        let (x, y) = ((longest[0].0 + longest[1].0) / 20.0, (longest[0].1 + longest[1].1) / 20.0);
        let upright = (longest[0].0 - longest[1].0).abs() < 1.0;
        svg += &if upright {
            label("small", x + 0.7, y + 0.4, words)
        } else {
            label("smallmid", x, y - 0.7 - 1.7 * (words.split('|').count() - 1) as f64, words)
        };
    }
    Ok(svg)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
