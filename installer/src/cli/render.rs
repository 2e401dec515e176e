//! Prints text for people, with foreign characters made visible.

mod examined;
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

pub(super) use examined::{PlanDocument, examined};
pub(super) use plan::plan;
pub(super) use report::{by_hand, report};
pub(super) use stores::report as data;

/// A failure for programs, on standard output.
#[derive(Debug, serde::Serialize)]
struct FailureDocument<'a> {
    #[serde(rename = "type")]
    document: &'static str,
    /// The exit code, and its word.
    exit: u8,
    code: &'static str,
    what: &'a str,
    why: &'a str,
    next: &'a str,
    /// Every single reason, where there are several.
    problems: &'a [Problem],
}

/// Prints a failure: for people on standard error, and as a document where documents are wanted.
pub(super) fn failure(output: Output, failed: &Failure) {
    failure_text(failed);
    if output == Output::Text {
        return;
    }
    let Explained { what, why, next } = &failed.explained;
    document(&FailureDocument {
        document: "airgap-bundle/failure/1",
        exit: failed.exit as u8,
        code: failed.exit.word(),
        what,
        why,
        next,
        problems: &failed.problems,
    });
}

/// Prints the three parts of a failure. They may contain foreign text, as everything here may.
pub(super) fn failure_text(failure: &Failure) {
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
    match session.output {
        Output::Text => {
            let mut out = std::io::stdout().lock();
            // A closed pipe ends the output and not the run.
            let text = printable_lines(&named::commands(text.trim_end()));
            let _ = writeln!(out, "{text}");
        }
        Output::Json => self::document(document),
    }
}

fn document<T: serde::Serialize>(document: &T) {
    let mut out = std::io::stdout().lock();
    // A closed pipe ends the output and not the run.
    let _ = match manifests::json::canonical(document) {
        Ok(bytes) => out.write_all(&bytes),
        Err(error) => writeln!(out, "{{\"error\":\"{error}\"}}"),
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

/// Joins problems into the reason of one failure. A cure has the numbers of its problems.
pub(super) fn problems(problems: &[Problem]) -> (String, String) {
    if let [one] = problems {
        return (one.what.clone(), one.cure.clone());
    }
    let mut cures: Vec<(&str, Vec<String>)> = Vec::new();
    let mut whats = String::new();
    for (at, problem) in problems.iter().enumerate() {
        let number = (at + 1).to_string();
        whats.push_str(&format!("\n{number}. {}", problem.what));
        match cures.iter_mut().find(|(cure, _)| *cure == problem.cure) {
            Some((_, numbers)) => numbers.push(number),
            None => cures.push((&problem.cure, vec![number])),
        }
    }
    let line = |(cure, numbers): &(&str, Vec<String>)| format!("\n{}. {cure}", numbers.join(", "));
    (whats, cures.iter().map(line).collect())
}

/// Returns a time as UTC text.
pub(super) fn time(seconds: u64) -> String {
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    stamp.map_or_else(|| seconds.to_string(), |stamp| stamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_problems_are_numbered_and_a_cure_has_the_numbers_of_its_problems() {
        let one = [Problem::new("no room", "make some")];
        assert_eq!(
            problems(&one),
            ("no room".to_owned(), "make some".to_owned())
        );
        let several = [
            Problem::new("/var is full", "make some"),
            Problem::new("no trust", "enrol"),
            Problem::new("/opt is full", "make some"),
        ];
        let (what, next) = problems(&several);
        assert_eq!(what, "\n1. /var is full\n2. no trust\n3. /opt is full");
        assert_eq!(next, "\n1, 3. make some\n2. enrol");
    }
}
