//! Finds words that must not leave the host and removes them from texts. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

/// Parts of names whose values are always secret.
const SECRET_NAMES: [&str; 12] = [
    "secret",
    "passw",
    "token",
    "key",
    "license",
    "credential",
    "auth",
    "url",
    "uri",
    "connection",
    "dsn",
    "salt",
];
/// The replacement for a word.
const REMOVED: &str = "[removed]";
/// Shorter words are kept: they could appear anywhere.
const LEAST_CHARS: usize = 4;

/// Words that must not leave the host.
#[derive(Debug, Default)]
pub(super) struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Adds every value of a configuration that may be a secret.
    pub(super) fn add_json(&mut self, value: &Value) {
        self.walk("", value);
    }

    fn walk(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.walk(name, value);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.walk(name, value)),
            Value::String(text) => self.add(name, text),
            Value::Number(number) => self.add(name, &number.to_string()),
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// Adds the value of a name, and the parts of a connection string.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        let is_named = SECRET_NAMES.iter().any(|part| name.contains(part));
        let is_plain = value.len() <= 12 && value.chars().all(|c| c.is_ascii_lowercase());
        let is_number = value.chars().all(|c| c.is_ascii_digit());
        let is_path = value.starts_with('/');
        if is_named || !(is_plain || is_number || is_path) {
            self.keep(value);
        }
        // user:password@ of a URL, and password=… of keywords and values.
        if let Some((before, _)) = value.rsplit_once('@') {
            let user = before.rsplit('/').next().unwrap_or(before);
            user.split(':').for_each(|word| self.keep(word));
        }
        for word in value.split_whitespace() {
            if let Some((keyword, word)) = word.split_once('=')
                && keyword.to_ascii_lowercase().contains("passw")
            {
                self.keep(word.trim_matches(['\'', '"']));
            }
        }
    }

    fn keep(&mut self, word: &str) {
        if word.chars().count() >= LEAST_CHARS {
            self.0.insert(word.to_owned());
        }
    }

    /// Returns a text without the words.
    pub(super) fn remove_from(&self, text: &str) -> String {
        // Longer words come first, because one may contain another.
        let mut words: Vec<&String> = self.0.iter().collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.iter().fold(text.to_owned(), |text, word| {
            let text = without(&text, word);
            // The JSON form of the word, where it differs.
            let spelled = serde_json::to_string(word).unwrap_or_default();
            let spelled = spelled.trim_matches('"');
            if spelled == *word {
                text
            } else {
                without(&text, spelled)
            }
        })
    }
}

/// Replaces a word where it stands alone. A secret inside of a longer word is replaced too, unless
/// it is an ordinary word.
fn without(text: &str, word: &str) -> String {
    let is_ordinary = word.len() <= 12 && word.chars().all(|c| c.is_ascii_lowercase());
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let is_part = joins(before.chars().next_back()) || joins(after.chars().next());
        out.push_str(before);
        out.push_str(if is_ordinary && is_part {
            word
        } else {
            REMOVED
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Returns the names of a configuration and the kinds of their values, without any value.
pub(super) fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        Value::Array(values) => Value::String(format!("a list of {}", values.len())),
        Value::String(text) if text.is_empty() => "an empty text".into(),
        Value::String(_) => "a text".into(),
        Value::Number(_) => "a number".into(),
        Value::Bool(switch) => (*switch).into(),
        Value::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_of_any_shape_go_and_words_stay() {
        let mut secrets = Secrets::default();
        secrets.add_json(&json!({
            "secret": "lowercase",
            "license_key": "eyJhbGciOiJSUzI1NiIs",
            "storage": {"type": "redis", "host": "redis.internal", "port": 6379, "password": 123_456},
            "mongo_url": "mongodb://tyk:pa-ss@10.0.0.9/db",
            "main": {"connection_string": "user=tyk password='Hunter 2' host=db"},
            "note": "quote\"d text",
            "policy_source": "service",
        }));
        let text = "lowercase service redis redis.internal pa-ss 123456 xeyJhbGciOiJSUzI1NiIsy \
                    mongodb://tyk:pa-ss@10.0.0.9/db quote\\\"d text 6379";
        let left = secrets.remove_from(text);
        for gone in [
            "lowercase",
            "redis.internal",
            "pa-ss",
            "123456",
            "eyJh",
            "10.0.0.9",
            "d text",
        ] {
            assert!(!left.contains(gone), "{gone}: {left}");
        }
        assert!(
            left.contains(" service redis ") && left.contains("6379"),
            "{left}"
        );
        let kinds = shape(&json!({"a": {"secret": "x"}, "b": [1, 2], "c": true}));
        assert_eq!(
            kinds,
            json!({"a": {"secret": "a text"}, "b": "a list of 2", "c": true})
        );
    }
}
