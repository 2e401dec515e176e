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

/// Returns type, permissions and owner as `ls` writes them.
pub(super) fn mode(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_sizes_are_written_as_people_know_them() {
        assert_eq!(mode(0o104_755), "-rwsr-xr-x");
        assert_eq!(mode(0o102_640), "-rw-r-S---");
        assert_eq!(mode(0o041_777), "drwxrwxrwt");
        assert_eq!(mode(0o120_777), "lrwxrwxrwx");
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
