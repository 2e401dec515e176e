//! Prints text for people, with foreign characters made visible.

mod named;
mod plan;
mod report;
mod stores;

use std::io::Write as _;

use manifests::printable::printable_lines;

use super::Output;
use super::session::Session;
use crate::event::Event;
use crate::failure::Failure;
use crate::plan::InstallPlan;
use crate::problem::Problem;
use manifests::explained::Explained;

pub(super) use plan::plan;
pub(super) use report::{by_hand, report};
pub(super) use stores::report as data;

/// Prints the three parts of a failure. They may contain foreign text, as everything here may.
pub(super) fn failure(failure: &Failure) {
    let Explained { what, why, next } = &failure.explained;
    let parts = [what, why, next];
    // A line of a foreign text must not look like a part of its own.
    let [what, why, next] =
        parts.map(|text| printable_lines(&named::commands(text)).replace('\n', "\n    "));
    aside(&format!("error: {what}\n  why: {why}\n next: {next}\n"));
}

/// Prints a warning.
pub(super) fn warning(text: &str) {
    let text = printable_lines(&named::commands(text));
    aside(&format!("warning: {text}\n"));
}

/// Prints what was done, for commands whose standard output has another use.
pub(super) fn note(text: &str) {
    aside(&format!("{}\n", printable_lines(text)));
}

/// Writes to standard error. A terminal that is gone ends the output, not the run.
fn aside(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints the plan of a run that is about to start.
pub(super) fn announce(shown: &InstallPlan) {
    aside(&printable_lines(&named::commands(&plan(shown))));
}

/// Returns the list of removed things.
pub(super) fn removed(names: &[String]) -> String {
    if names.is_empty() {
        "Nothing to remove.".to_owned()
    } else {
        format!("removed: {}", names.join(", "))
    }
}

/// Prints a result as a document, or as text.
pub(super) fn result<T: serde::Serialize>(session: &Session, document: &T, text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe ends the output and not the run.
    let _ = match session.output {
        Output::Text => {
            let text = printable_lines(&named::commands(text.trim_end()));
            writeln!(out, "{text}")
        }
        Output::Json => match manifests::json::canonical(document) {
            Ok(bytes) => out.write_all(&bytes),
            Err(error) => writeln!(out, "{{\"error\":\"{error}\"}}"),
        },
    };
}

/// Prints progress.
pub(super) fn event(event: &Event) {
    let line = match event {
        Event::Started {
            title,
            place: Some(place),
            ..
        } => format!("  … {}/{} {title}", place.number, place.of),
        Event::Started { title, .. } => format!("  … {title}"),
        Event::Done { note, .. } if note.is_empty() => return,
        Event::Done { note, .. } => format!("    {note}"),
        Event::Failed { why, .. } => format!("  ✗ {why}"),
        Event::Waiting { what } => format!("    waiting for {what}"),
    };
    // The terminal may be gone; the run continues.
    let _ = writeln!(std::io::stderr().lock(), "{}", printable_lines(&line));
}

/// Joins problems into the reason of one failure.
pub(super) fn problems(problems: &[Problem]) -> (String, String) {
    let list = |texts: Vec<&str>| match texts.as_slice() {
        [one] => (*one).to_owned(),
        several => several
            .iter()
            .enumerate()
            .fold(String::new(), |all, (at, text)| {
                format!("{all}\n{}. {text}", at + 1)
            }),
    };
    let what = problems.iter().map(|problem| problem.what.as_str());
    let mut cures: Vec<&str> = problems.iter().map(|one| one.cure.as_str()).collect();
    cures.dedup();
    (list(what.collect()), list(cures))
}

/// Returns a time as UTC text.
pub(super) fn time(seconds: u64) -> String {
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    stamp.map_or_else(|| seconds.to_string(), |stamp| stamp.to_string())
}
