//! Foreign text on its way to the page.

use manifests::printable::{printable, printable_lines};
use serde::Serialize;

/// Text in which nothing can end a line, reorder or hide what stands beside it. The template escapes
/// it once more, for HTML. The page's model holds no other text, so that none is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(super) struct Shown(String);

impl Shown {
    /// A text of one line.
    pub(super) fn new(text: &(impl ToString + ?Sized)) -> Self {
        Self(printable(&text.to_string()))
    }

    /// The lines of a program, which keeps its tabs.
    pub(super) fn lines(text: &str) -> Vec<Self> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let line = |line: &str| Self(printable_lines(line));
        text.split('\n').map(line).collect()
    }

    /// One line of a program.
    pub(super) fn line(line: &str) -> Self {
        Self(printable_lines(line.strip_suffix('\n').unwrap_or(line)))
    }
}

/// Returns a size as people read it, and in bytes.
pub(super) fn size(bytes: u64) -> Shown {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    let unit = units.into_iter().find(|(_, unit)| bytes >= *unit);
    match unit {
        Some((name, unit)) => {
            let tenths = bytes / (unit / 10);
            Shown::new(&format!(
                "{}.{} {name} ({bytes} bytes)",
                tenths / 10,
                tenths % 10
            ))
        }
        None => Shown::new(&format!("{bytes} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_units_and_in_bytes() {
        assert_eq!(size(999), Shown::new("999 bytes"));
        assert_eq!(size(12_345_678), Shown::new("12.3 MB (12345678 bytes)"));
    }

    #[test]
    fn a_line_of_a_program_cannot_become_two() {
        let lines = Shown::lines("a\tb\r\n\u{1b}[2J\u{202e}c\n");
        let expected = ["a\tb\\r", "\\u{1b}[2J\\u{202e}c"].map(|text| Shown(text.to_owned()));
        assert_eq!(lines, expected);
    }
}
