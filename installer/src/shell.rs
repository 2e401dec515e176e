//! Words of commands that a person gives to a shell.

/// Returns a word as a shell reads it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+=,%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns a command with words, unless there are none.
pub(crate) fn with_words(command: &str, words: impl IntoIterator<Item = String>) -> Option<String> {
    let words: Vec<String> = words.into_iter().map(|word| quoted(&word)).collect();
    (!words.is_empty()).then(|| format!("{command} {}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_every_word_as_it_is() {
        let plain = "/opt/tyk-gateway/tyk.conf";
        assert_eq!(quoted(plain), plain);
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
