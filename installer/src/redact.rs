//! Finds words that must not leave the host and removes them from texts. Pure over what was read;
//! `of_components` reads.

use std::collections::BTreeSet;

use manifests::product::Component;
use serde_json::Value;

use crate::host::Services;
use crate::layout::Layout;
use crate::settings;

/// Parts of names whose values are always secret.
const SECRET_NAMES: [&str; 13] = [
    "secret",
    "pass",
    "pwd",
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
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Reads the settings of components: their configuration, environment files and drop-ins.
    #[must_use]
    pub fn of_components<'a>(
        host: &dyn Services,
        layout: &Layout,
        components: impl IntoIterator<Item = &'a Component>,
    ) -> Self {
        let mut secrets = Self::default();
        for component in components {
            let loaded = settings::load(host, layout, component);
            secrets.add_settings(&loaded.settings);
        }
        secrets
    }

    /// Adds the values of settings that may be secrets.
    pub fn add_settings(&mut self, settings: &settings::Settings) {
        if let Some(config) = settings.config() {
            self.add_json(config);
        }
        for (name, value) in settings.variables() {
            self.add(name, value);
        }
    }

    /// Adds the values of a file as it once was: JSON, or lines of `NAME=value`.
    pub fn add_text(&mut self, text: &str) {
        match serde_json::from_str(text) {
            Ok(value) => self.add_json(&value),
            Err(_) => {
                for (name, value) in settings::environment_file(text, u32::MAX) {
                    self.add(&name, &value);
                }
            }
        }
    }

    /// Adds every value of a configuration that may be a secret.
    pub fn add_json(&mut self, value: &Value) {
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
    pub fn add(&mut self, name: &str, value: &str) {
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
        let ends = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '?');
        for word in value.split(ends) {
            if let Some((keyword, word)) = word.split_once('=') {
                let keyword = keyword.to_ascii_lowercase();
                if ["pass", "pwd"].iter().any(|part| keyword.contains(part)) {
                    self.keep(word.trim_matches(['\'', '"']));
                }
            }
        }
    }

    fn keep(&mut self, word: &str) {
        if word.chars().count() >= LEAST_CHARS {
            self.0.insert(word.to_owned());
        }
    }

    /// Returns a text without the words.
    #[must_use]
    pub fn remove_from(&self, text: &str) -> String {
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
/// it is an ordinary word or a number: digests and times are full of numbers.
fn without(text: &str, word: &str) -> String {
    let is_number = word.chars().all(|c| c.is_ascii_digit());
    let is_ordinary =
        is_number || (word.len() <= 12 && word.chars().all(|c| c.is_ascii_lowercase()));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let is_part = joins(before.chars().next_back()) || joins(after.chars().next());
        out.push_str(before);
        let is_kept = (is_ordinary && is_part) || (is_number && is_of_time(before, after));
        out.push_str(if is_kept { word } else { REMOVED });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether a number is the year of a date, such as `2026-11-30`, or the fraction of a second.
fn is_of_time(before: &str, after: &str) -> bool {
    let digits = |text: &str, pattern: &[u8]| {
        text.len() >= pattern.len()
            && text.bytes().zip(pattern).all(|(byte, kind)| match kind {
                b'0' => byte.is_ascii_digit(),
                other => byte == *other,
            })
    };
    let before = before.as_bytes();
    let end = before.len().checked_sub(4).map(|at| &before[at..]);
    let end = end.and_then(|end| std::str::from_utf8(end).ok());
    digits(after, b"-00-00") || end.is_some_and(|end| digits(end, b":00."))
}

/// Returns the names of a configuration and the kinds of their values, without any value.
#[must_use]
pub fn shape(value: &Value) -> Value {
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

    /// A rotated secret stands in the saved files alone.
    #[test]
    fn a_text_is_json_or_lines_of_variables() {
        let mut secrets = Secrets::default();
        secrets.add_text("{\"secret\": \"rotated-one\"}");
        secrets.add_text("# comment\nTYK_SECRET='rotated two'\n");
        let left = secrets.remove_from("rotated-one and rotated two");
        assert_eq!(left, "[removed] and [removed]");
    }

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
        let times = "2026-11-30T20:17:36.123456Z ab123456cd 1234567 at 123456, :123456@";
        let kept = "2026-11-30T20:17:36.123456Z ab123456cd 1234567 at [removed], :[removed]@";
        secrets.add("password", "2026");
        assert_eq!(secrets.remove_from(times), kept);
        let kinds = shape(&json!({"a": {"secret": "x"}, "b": [1, 2], "c": true}));
        assert_eq!(
            kinds,
            json!({"a": {"secret": "a text"}, "b": "a list of 2", "c": true})
        );
    }
}
