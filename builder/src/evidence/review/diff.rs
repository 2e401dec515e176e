//! Two versions of a scriptlet, line by line.

use diffy::DiffOptions;
use serde::Serialize;

use super::shown::Shown;

/// A comparison takes time that grows with lines times differences; both texts stand on the page in
/// full anyway.
const LINES_MAX: usize = 4000;

/// A line of a comparison.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) text: Shown,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// It stayed.
    Same,
    /// It came.
    Added,
    /// It went.
    Removed,
    /// Not a line of either: how many lines are left out, or that nothing was compared.
    Gap,
}

/// Compares two texts; unchanged stretches are shortened.
pub(super) fn lines(before: &str, after: &str) -> Vec<Line> {
    let gap = |text: &str| Line {
        kind: Kind::Gap,
        text: Shown::new(text),
    };
    if before.lines().count().max(after.lines().count()) > LINES_MAX {
        return vec![gap(
            "too long to compare: read both in full under \u{201c}Scriptlets\u{201d}",
        )];
    }
    let patch = DiffOptions::new().create_patch(before, after);
    let mut all = Vec::new();
    for hunk in patch.hunks() {
        if !all.is_empty() {
            all.push(gap("\u{2026}"));
        }
        all.extend(hunk.lines().iter().map(|line| match line {
            diffy::Line::Context(text) => of(Kind::Same, text),
            diffy::Line::Delete(text) => of(Kind::Removed, text),
            diffy::Line::Insert(text) => of(Kind::Added, text),
        }));
    }
    all
}

fn of(kind: Kind, text: &str) -> Line {
    Line {
        kind,
        text: Shown::line(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_went_is_marked() {
        let found = lines("a\nb\nc\n", "a\nX\u{202e}\nc\n");
        let kinds: Vec<Kind> = found.iter().map(|line| line.kind).collect();
        assert_eq!(kinds, [Kind::Same, Kind::Removed, Kind::Added, Kind::Same]);
        assert_eq!(found[2].text, Shown::new("X\u{202e}"));
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(lines("", &long)[0].kind, Kind::Gap);
        assert_eq!(lines("", &long).len(), 1);
    }
}
