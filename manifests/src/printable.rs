//! Foreign text on its way to a person's screen or paper: the one place where it is escaped.

/// Returns the text with everything escaped that could move a cursor, end a line, or reorder or
/// hide what stands beside it.
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, |_| false)
}

/// Does the same for a text of several lines, which keeps its line ends and tabs.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| c == '\n' || c == '\t')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if !keep(c) && (c.is_control() || is_invisible(c)) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Separators of lines, marks of direction, and characters that show nothing.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_escaped_and_the_rest_is_kept() {
        assert_eq!(printable("Tyk API – é 漢 \\"), "Tyk API – é 漢 \\");
        assert_eq!(printable("a\n\tb\u{7f}"), "a\\n\\tb\\u{7f}");
        assert_eq!(printable("\u{1b}[2J\u{9b}1m"), "\\u{1b}[2J\\u{9b}1m");
        assert_eq!(printable("x\u{202e}gpj"), "x\\u{202e}gpj");
        assert_eq!(printable("a\u{3164}\u{e0100}b"), "a\\u{3164}\\u{e0100}b");
        assert_eq!(printable_lines("a\n\tb\r"), "a\n\tb\\r");
    }
}
