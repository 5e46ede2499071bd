//! "Your turn": the exercises of a chapter, from the file that declares them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The chapter's exercises, each with its kind, its difficulty and the command that opens it.
pub fn list(file: &Path) -> Result<String> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(String::new()) };
    let table: toml::Table = text.parse().with_context(|| file.display().to_string())?;
    let exercises = table.get("exercise").and_then(toml::Value::as_array);
    Ok(exercises.into_iter().flatten().filter_map(toml::Value::as_table).map(entry).collect())
}

fn entry(exercise: &toml::Table) -> String {
    let field = |name: &str| match exercise.get(name) {
        Some(toml::Value::String(text)) => text.trim().to_owned(),
        Some(toml::Value::Integer(number)) => number.to_string(),
        _ => String::new(),
    };
    format!(
        "### {}\n\n*{}, {}, about {} minutes*\n\n{}\n\n```sh\nmake practice-{}\n```\n\n",
        field("title"),
        field("kind"),
        field("difficulty"),
        field("minutes"),
        field("task"),
        field("name"),
    )
}
