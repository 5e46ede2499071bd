//! The claims of a chapter, told one by one: what was run, what the kernel showed, and how the step before fares.

use std::process::ExitCode;

use anyhow::Result;

use crate::claim::{Claim, can_be, kind, skipped};
use crate::evidence::{Event, Observation, Refuted};
use crate::host::Identity;
use crate::launch::Step;

/// How it is told.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Style {
    Text,
    Json,
}

/// What one claim came to.
struct Told {
    says: &'static str,
    identity: Identity,
    verdict: String,
    held: bool,
    events: Vec<Event>,
    before: String,
}

pub(crate) fn wanted() -> Option<Style> {
    match std::env::var("HARNESS_REPORT").ok()?.as_str() {
        "json" => Some(Style::Json),
        "text" => Some(Style::Text),
        _ => None,
    }
}

/// Tells all claims of step `number`; the exit code says whether all held.
pub(crate) fn tell(style: Style, number: usize, claims: &[Claim]) -> ExitCode {
    let told = claims.iter().flat_map(|claim| claim.identities().map(move |identity| examine(claim, number, identity)));
    let told: Vec<Told> = told
        .inspect(|told| {
            if style == Style::Text {
                print!("{}", text(told))
            }
        })
        .collect();
    if style == Style::Json {
        println!("[{}]", told.iter().map(json).collect::<Vec<_>>().join(",\n "));
    }
    ExitCode::from(u8::from(!told.iter().all(|told| told.held)))
}

fn examine(claim: &Claim, number: usize, identity: Identity) -> Told {
    let (verdict, held, events) = outcome(claim, number, identity);
    let before = claim.before(number).map_or_else(String::new, |before| outcome(claim, before, identity).0);
    Told { says: claim.says, identity, verdict, held, events, before }
}

fn outcome(claim: &Claim, number: usize, identity: Identity) -> (String, bool, Vec<Event>) {
    let step = match can_be(identity).and_then(|()| Step::new(number, identity)) {
        Ok(step) => step,
        Err(error) => return (verdict(&Err(error)), true, Vec::new()),
    };
    let result = (claim.check)(&step);
    let held = result.as_ref().err().is_none_or(|error| skipped(error).is_some());
    (verdict(&result), held, step.log.take())
}

fn verdict(result: &Result<()>) -> String {
    let Err(error) = result else { return "OK".into() };
    match (skipped(error), error.is::<Refuted>()) {
        (Some(reason), _) => format!("SKIPPED {reason}"),
        (None, true) => format!("FAIL {error}"),
        (None, false) => format!("COULD NOT BE TRIED {error:#}"),
    }
}

fn text(told: &Told) -> String {
    let mut lines = vec![format!("{}\n    {} [{}]", told.says, told.verdict, kind(told.identity))];
    lines.extend(told.events.iter().map(|event| match event {
        Event::Command(command) => format!("    $ {command}"),
        Event::Held(Observation { what, found, .. }) => format!("      {what}: {found}"),
    }));
    if !told.before.is_empty() {
        lines.push(format!("    the step before: {}", told.before));
    }
    lines.join("\n") + "\n"
}

fn json(told: &Told) -> String {
    let events: Vec<String> = told.events.iter().map(json_event).collect();
    format!(
        "{{\"claim\":{},\"identity\":{},\"verdict\":{},\"held\":{},\"events\":[{}],\"before\":{}}}",
        string(told.says),
        string(kind(told.identity)),
        string(&told.verdict),
        told.held,
        events.join(","),
        string(&told.before)
    )
}

fn json_event(event: &Event) -> String {
    match event {
        Event::Command(command) => format!("{{\"command\":{}}}", string(command)),
        Event::Held(Observation { what, expected, found }) => {
            let (what, expected, found) = (string(what), string(expected), string(found));
            format!("{{\"asked\":{what},\"expected\":{expected},\"found\":{found}}}")
        }
    }
}

/// A JSON string (RFC 8259, section 7).
fn string(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", c as u32),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
