//! Reads a file of variables as systemd reads one, state by state (`src/basic/env-file.c` there).

use std::collections::BTreeMap;

/// Before this version, a backslash inside quotes was taken away before every letter.
const KEEPS_BACKSLASHES: u32 = 241;
/// Before this version, a comment went on after a line that ends with a backslash.
const ENDS_COMMENTS: u32 = 254;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeName,
    Name,
    BeforeValue,
    Value,
    ValueEscape,
    Single,
    SingleEscape,
    Double,
    DoubleEscape,
    Comment,
    CommentEscape,
}

/// Reads the variables of a file, as a systemd of this version does. Names that cannot be those of
/// variables are left out; of two lines with one name, the later one counts.
#[must_use]
pub fn variables(text: &str, systemd: u32) -> BTreeMap<String, String> {
    let mut reader = Reader {
        state: State::BeforeName,
        systemd,
        name: String::new(),
        value: String::new(),
        kept: 0,
        found: BTreeMap::new(),
    };
    text.chars().for_each(|letter| reader.read(letter));
    // The last line may have no end.
    if !matches!(
        reader.state,
        State::BeforeName | State::Name | State::Comment | State::CommentEscape
    ) {
        reader.push();
    }
    reader.found
}

struct Reader {
    state: State,
    systemd: u32,
    name: String,
    value: String,
    /// How much of the value is not blanks at its end.
    kept: usize,
    found: BTreeMap<String, String>,
}

impl Reader {
    fn read(&mut self, letter: char) {
        use State::{BeforeName, BeforeValue, Comment, CommentEscape, Name};
        self.state = match (self.state, letter) {
            (BeforeName, '#' | ';') => Comment,
            (BeforeName, letter) if is_blank(letter) => BeforeName,
            (BeforeName, letter) => {
                self.name = letter.to_string();
                Name
            }
            (Name | Comment, '\n' | '\r') => BeforeName,
            (Name, '=') => {
                self.value.clear();
                self.kept = 0;
                BeforeValue
            }
            (Name, letter) => {
                self.name.push(letter);
                Name
            }
            (Comment, '\\') => CommentEscape,
            (CommentEscape, '\n' | '\r') if self.systemd >= ENDS_COMMENTS => BeforeName,
            (Comment | CommentEscape, _) => Comment,
            (_, letter) => self.read_value(letter),
        };
    }

    fn read_value(&mut self, letter: char) -> State {
        use State::{BeforeValue, Double, DoubleEscape, Single, SingleEscape, Value, ValueEscape};
        match (self.state, letter) {
            (BeforeValue | Value, '\n' | '\r') => {
                self.push();
                State::BeforeName
            }
            (BeforeValue, '\'') => Single,
            (BeforeValue, '"') => Double,
            (BeforeValue | Value, '\\') => {
                self.kept = self.value.len();
                ValueEscape
            }
            (BeforeValue, letter) if is_blank(letter) => BeforeValue,
            (BeforeValue | Value, letter) => {
                self.value.push(letter);
                if !is_blank(letter) {
                    self.kept = self.value.len();
                }
                Value
            }
            (ValueEscape, letter) => {
                self.put_unless_line_end(letter);
                Value
            }
            (Single, '\'') | (Double, '"') => BeforeValue,
            (Single, '\\') if self.systemd < KEEPS_BACKSLASHES => SingleEscape,
            (Double, '\\') => DoubleEscape,
            (SingleEscape, letter) => {
                self.put_unless_line_end(letter);
                Single
            }
            (DoubleEscape, letter) => {
                let is_special = "\"\\`$\n".contains(letter);
                if !is_special && self.systemd >= KEEPS_BACKSLASHES {
                    self.put('\\');
                }
                self.put_unless_line_end(letter);
                Double
            }
            (quoted, letter) => {
                self.put(letter);
                quoted
            }
        }
    }

    /// Adds a letter that counts even if it is a blank.
    fn put(&mut self, letter: char) {
        self.value.push(letter);
        self.kept = self.value.len();
    }

    fn put_unless_line_end(&mut self, letter: char) {
        if !matches!(letter, '\n' | '\r') {
            self.put(letter);
        }
    }

    fn push(&mut self) {
        let name = self.name.trim_end_matches(is_blank);
        // A quoted part keeps the blanks at its end; a bare one does not.
        if self.state == State::Value {
            self.value.truncate(self.kept);
        }
        if is_name(name) {
            self.found.insert(name.to_owned(), self.value.clone());
        }
        self.value.clear();
        self.kept = 0;
    }
}

const fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

/// Whether a text can be the name of a variable.
#[must_use]
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, systemd: u32) -> Vec<(String, String)> {
        variables(text, systemd).into_iter().collect()
    }

    fn one(text: &str, systemd: u32) -> String {
        variables(text, systemd).remove("A").unwrap()
    }

    #[test]
    fn a_file_is_read_as_systemd_reads_it() {
        let text = "# A=0\n; A=1\n\n  A = one two  \r\nB='x' \"y\"z \nC=\nnot a line\n1D=no\nE-F=no\n\
                    export G=no\nH=a\\\n  b\\ \nA=later\nI=a # no comment\nJ=end";
        let found = read(text, 252);
        let expected = [
            ("A", "later"),
            ("B", "xyz"),
            ("C", ""),
            ("H", "a  b "),
            ("I", "a # no comment"),
            ("J", "end"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_connection_string_over_two_lines_is_one_value() {
        let text = "A=\"host=db user=tyk \\\npassword=a\\\"b dbname=tyk\"\n";
        for systemd in [219, 239, 252] {
            let expected = "host=db user=tyk password=a\"b dbname=tyk";
            assert_eq!(one(text, systemd), expected);
        }
        assert_eq!(one("A=host=db \\\nuser=tyk\n", 252), "host=db user=tyk");
        assert_eq!(one("A='two\nlines'\n", 252), "two\nlines");
    }

    /// Systemd 241 began to read quotes as a shell does.
    #[test]
    fn a_backslash_in_quotes_depends_on_the_version() {
        for (text, old, new) in [
            (r#"A="a\b\\c\$d""#, r"ab\c$d", r"a\b\c$d"),
            (r"A='a\b'", "ab", r"a\b"),
            (r"A=a\b\\c", r"ab\c", r"ab\c"),
        ] {
            assert_eq!(one(text, 239), old, "{text}");
            assert_eq!(one(text, 252), new, "{text}");
        }
        let comment = "# a comment \\\nA=1\nA=2\n";
        assert_eq!(one(comment, 252), "2");
        assert_eq!(read("# a comment \\\nA=1\n", 252), []);
        assert_eq!(one("# a comment \\\nA=1\n", 257), "1");
    }
}
