//! A component's own configuration: ports, paths, switches. Pure over file contents.

mod load;

use std::collections::BTreeMap;

use manifests::product::{Setting, Source};
use serde_json::Value;

pub use load::{Loaded, load};

/// The configuration of one component, as far as it could be read.
#[derive(Debug, Default)]
pub struct Settings {
    environment: BTreeMap<String, String>,
    config: Option<Value>,
}

impl Settings {
    /// Reads environment files (weakest first) and the configuration file's text. Text that cannot
    /// be understood is left out and named in the returned notes; nothing is guessed.
    #[must_use]
    pub fn read(environment: &[String], config: Option<(&str, &str)>) -> (Self, Vec<String>) {
        let mut settings = Self::default();
        let mut notes = Vec::new();
        for text in environment {
            settings
                .environment
                .extend(text.lines().filter_map(variable));
        }
        if let Some((path, text)) = config {
            match serde_json::from_str(text) {
                Ok(value) => settings.config = Some(value),
                Err(error) => {
                    notes.push(format!("{path} is not JSON ({error})"));
                }
            }
        }
        (settings, notes)
    }

    /// Returns the value of a setting from the first source in which it is neither empty nor `0`.
    #[must_use]
    pub fn get(&self, setting: &Setting) -> String {
        let found = setting
            .from
            .iter()
            .filter_map(|source| self.look_up(source));
        found
            .into_iter()
            .find(|value| !value.is_empty() && value != "0")
            .unwrap_or_else(|| setting.default.clone())
    }

    /// Returns the values of a list from the first source that has any: the elements of an array,
    /// `key:value` of an object, or the parts between commas.
    #[must_use]
    pub fn list(&self, setting: &Setting) -> Vec<String> {
        let split = |text: &str| -> Vec<String> {
            let words = text.split(',').map(str::trim);
            words
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let found = setting.from.iter().map(|source| match source {
            Source::Env(name) => self
                .environment
                .get(name)
                .map_or_else(Vec::new, |t| split(t)),
            Source::Pointer(pointer) => {
                match self
                    .config
                    .as_ref()
                    .and_then(|value| value.pointer(pointer))
                {
                    Some(Value::Array(values)) => values.iter().filter_map(scalar).collect(),
                    Some(Value::Object(values)) => values
                        .iter()
                        .filter_map(|(key, value)| Some(format!("{key}:{}", scalar(value)?)))
                        .collect(),
                    Some(value) => scalar(value).map_or_else(Vec::new, |text| split(&text)),
                    None => Vec::new(),
                }
            }
        });
        let mut found = found.filter(|words: &Vec<String>| !words.is_empty());
        found.next().unwrap_or_else(|| split(&setting.default))
    }

    /// Returns the configuration file's content, if it could be read.
    #[must_use]
    pub const fn config(&self) -> Option<&Value> {
        self.config.as_ref()
    }

    /// Returns the variables of the environment files.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.environment.iter();
        variables.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the names in an object of the configuration.
    #[must_use]
    pub fn keys(&self, pointer: &str) -> Vec<String> {
        let value = self
            .config
            .as_ref()
            .and_then(|value| value.pointer(pointer));
        let object = value.and_then(Value::as_object);
        object.map_or_else(Vec::new, |object| object.keys().cloned().collect())
    }

    /// Returns what follows a prefix in the names of variables.
    pub fn variables_after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.environment.keys();
        names.filter_map(move |name| name.strip_prefix(prefix))
    }

    fn look_up(&self, source: &Source) -> Option<String> {
        match source {
            Source::Env(name) => self.environment.get(name).cloned(),
            Source::Pointer(pointer) => scalar(self.config.as_ref()?.pointer(pointer)?),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(switch) => Some(switch.to_string()),
        _ => None,
    }
}

/// Reads one line of an environment file as systemd does: `NAME=value`, quotes removed.
fn variable(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    let value = value.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    Some((name.trim().to_owned(), unquoted.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Setting {
        let env = Source::Env("TYK_GW_LISTENPORT".to_owned());
        let from = vec![env, Source::Pointer("/listen_port".to_owned())];
        Setting {
            from,
            default: "8080".to_owned(),
        }
    }

    #[test]
    fn the_environment_overrides_the_file_and_zero_counts_as_unset() {
        let file = Some(("tyk.conf", r#"{"listen_port": 9000}"#));
        let (settings, notes) = Settings::read(&["TYK_GW_LISTENPORT=\"7000\"\n".to_owned()], file);
        assert!(notes.is_empty());
        assert_eq!(settings.get(&port()), "7000");
        let (settings, _) = Settings::read(&["# TYK_GW_LISTENPORT=1\n".to_owned()], file);
        assert_eq!(settings.get(&port()), "9000");
        let (settings, _) = Settings::read(&[], Some(("tyk.conf", r#"{"listen_port": 0}"#)));
        assert_eq!(settings.get(&port()), "8080");
    }

    #[test]
    fn a_broken_file_is_reported_and_not_guessed() {
        let (settings, notes) = Settings::read(&[], Some(("tyk.conf", "{\"listen_port\": 9000,}")));
        assert_eq!(settings.get(&port()), "8080");
        assert!(notes[0].contains("tyk.conf"), "{notes:?}");
    }
}
