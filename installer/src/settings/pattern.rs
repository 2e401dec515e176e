//! Patterns of a shell in the names of environment files.

use std::io::ErrorKind;

use super::load::{Trouble, unread};
use crate::layout::Layout;

/// Returns the files that a path matches; a path without a pattern is that of one file.
pub(super) fn matching(layout: &Layout, path: &str) -> Result<Vec<String>, Trouble> {
    if !path.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let (directory, pattern) = path.rsplit_once('/').unwrap_or(("", path));
    if directory.contains(['*', '?', '[']) {
        let why =
            format!("{path} has a pattern in the name of a directory, which is not read here");
        return Err(Trouble {
            why,
            is_denied: false,
        });
    }
    let entries = match layout.at(directory).read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unread(directory, &error)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_meant = |name: &String| {
        let is_hidden = name.starts_with('.') && !pattern.starts_with('.');
        !is_hidden && matches(pattern.as_bytes(), name.as_bytes())
    };
    let mut names: Vec<String> = names.filter(is_meant).collect();
    names.sort();
    Ok(names
        .iter()
        .map(|name| format!("{directory}/{name}"))
        .collect())
}

/// Whether a pattern of a shell matches a name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, name) || name.split_first().is_some_and(|(_, n)| matches(pattern, n))
        }
        (Some((b'?', rest)), Some((_, name))) => matches(rest, name),
        (Some((b'[', rest)), Some((letter, name))) => {
            // The first letter of a set may be the bracket that ends others.
            let Some(end) = rest
                .iter()
                .skip(1)
                .position(|b| *b == b']')
                .map(|at| at + 1)
            else {
                return *letter == b'[' && matches(rest, name);
            };
            is_in(&rest[..end], *letter) && matches(&rest[end + 1..], name)
        }
        (Some((b'\\', [escaped, rest @ ..])), Some((letter, name))) => {
            escaped == letter && matches(rest, name)
        }
        (Some((wanted, rest)), Some((letter, name))) => wanted == letter && matches(rest, name),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_in(set: &[u8], letter: u8) -> bool {
    let (is_other, mut set) = match set.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut is_there = false;
    loop {
        set = match set {
            [first, b'-', last, rest @ ..] => {
                is_there |= (*first..=*last).contains(&letter);
                rest
            }
            [one, rest @ ..] => {
                is_there |= *one == letter;
                rest
            }
            [] => return is_there != is_other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, is_match) in [
            ("*.env", "secret.env", true),
            ("*.env", "secret.env~", false),
            ("*.*", "a.b.c", true),
            ("?.env", "a.env", true),
            ("?.env", "ab.env", false),
            ("[0-9]*", "10-tyk", true),
            ("[!0-9]*", "10-tyk", false),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            (r"\*", "*", true),
            ("", "a", false),
        ] {
            let found = matches(pattern.as_bytes(), name.as_bytes());
            assert_eq!(found, is_match, "{pattern} {name}");
        }
    }
}
