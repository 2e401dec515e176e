//! Results on standard output, errors on standard error.

use std::io::Write as _;

use manifests::json::canonical;
use manifests::printable::printable_lines;
use serde::Serialize;

use super::Format;
use crate::explain::{Exit, Explained};

/// Prints a result. A reader that went away is not an error of ours.
pub(super) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", printable_lines(text.trim_end()));
    let _ = out.flush();
}

/// Prints a result as JSON.
pub(super) fn json(value: &impl Serialize) {
    if let Ok(bytes) = canonical(value) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&bytes);
        let _ = out.flush();
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    event: &'a str,
    error: &'a str,
    why: &'a str,
    next: &'a str,
    exit_code: u8,
}

/// Prints an error in three parts.
pub(super) fn error(explained: &Explained, exit: Exit, format: Format) {
    let mut err = std::io::stderr().lock();
    let Explained { what, why, next } = explained;
    let _ = match format {
        Format::Text => {
            // A line of a foreign text must not look like a part of its own.
            let shown = |text: &String| {
                printable_lines(text)
                    .replace('\n', "\n  ")
                    .replace("  \n", "\n")
            };
            let [what, why, next] = [what, why, next].map(shown);
            writeln!(err, "error: {what}\nwhy: {why}\nnext: {next}")
        }
        Format::Json => {
            let document = ErrorDocument {
                event: "error",
                error: what,
                why,
                next,
                exit_code: exit as u8,
            };
            // A line like the events before it.
            let line = serde_json::to_string(&document).unwrap_or_default();
            writeln!(err, "{line}")
        }
    };
}

/// Prints a remark.
pub(super) fn remark(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
