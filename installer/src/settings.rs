//! A component's own configuration: ports, paths, switches. Pure over what was read; `load` reads.

mod env_file;
#[cfg(test)]
pub(crate) mod fake;
mod load;
mod pattern;
mod reader;
mod reference;
mod running;
mod unit;

use std::collections::BTreeMap;

use manifests::product::{Condition, Reference, Setting, Source};
use serde_json::Value;

pub use env_file::variables as environment_file;
pub use load::{Loaded, Trouble, load};
pub use reference::Unfollowed;
pub use running::{Running, compare, launched};
pub use unit::Service;

/// The configuration of one component, as far as it could be read.
#[derive(Debug, Default)]
pub struct Settings {
    environment: BTreeMap<String, String>,
    config: Option<Value>,
    references: Vec<Reference>,
    /// The files to which values refer, with what is in them.
    referred: BTreeMap<String, Result<String, Trouble>>,
}

impl Settings {
    /// Takes variables and the configuration file's text. A text that cannot be understood is left
    /// out and named in the returned notes; nothing is guessed.
    #[must_use]
    pub fn read(
        environment: BTreeMap<String, String>,
        config: Option<(&str, &str)>,
    ) -> (Self, Vec<String>) {
        let mut settings = Self {
            environment,
            ..Self::default()
        };
        let mut notes = Vec::new();
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

    /// Returns the files to which values refer.
    pub(super) fn referred_files(&self) -> impl Iterator<Item = &String> {
        self.referred.keys()
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

    /// Whether a switch is on, as Go reads one: in its own words, which are neither true nor false
    /// if they are others. A deprecated name of it turns it on as well.
    pub fn is_on(&self, setting: &Setting) -> Result<bool, String> {
        let own = self.switch(&setting.from)?;
        let old = self.switch(&setting.or)?.unwrap_or(false);
        let own = match (own, setting.default.as_str()) {
            (Some(own), _) => own,
            // A product manifest may leave a switch out.
            (None, "") => false,
            (None, default) => {
                switch(default).ok_or_else(|| format!("{default:?} is neither true nor false"))?
            }
        };
        Ok(own || old)
    }

    /// Reads a switch from the first source that has one.
    fn switch(&self, sources: &[Source]) -> Result<Option<bool>, String> {
        let given = |source| Some((source, self.look_up(source)?)).filter(|(_, v)| !v.is_empty());
        let Some((source, value)) = sources.iter().find_map(given) else {
            return Ok(None);
        };
        let (Source::Env(name) | Source::Pointer(name)) = source;
        match switch(&value) {
            Some(value) => Ok(Some(value)),
            // The word may be a secret that stands in the wrong place.
            None => Err(format!("{name} is neither true nor false")),
        }
    }

    /// Whether a setting has one of the values of a condition.
    pub fn holds(&self, condition: &Condition) -> Result<bool, String> {
        let any_of = || condition.any_of.iter();
        if condition.ignore_case {
            let value = self.get(&condition.setting);
            return Ok(any_of().any(|one| one.eq_ignore_ascii_case(&value)));
        }
        if any_of().all(|one| one == "true" || one == "false") {
            let is_on = self.is_on(&condition.setting)?;
            return Ok(any_of().any(|one| (one == "true") == is_on));
        }
        Ok(condition.any_of.contains(&self.get(&condition.setting)))
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

/// Reads a switch as Go's `strconv.ParseBool` does.
fn switch(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
