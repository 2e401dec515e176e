//! Where a component's own configuration has a value, and how a value refers to another place.

use serde::{Deserialize, Serialize};

use super::{Component, ProductError};

/// A value that a component's own configuration decides. The first source that gives a value that
/// is neither empty nor `0` wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Where to look, strongest first.
    #[serde(default)]
    pub from: Vec<Source>,
    /// Without any.
    pub default: String,
    /// Deprecated names of a switch: it is on as well where one of them says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Source>,
}

impl Setting {
    /// Whether it can have no value but an empty one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from.is_empty() && self.default.is_empty()
    }

    /// Returns the setting of one entry of an object: `{each}` is its name, in variables in capital
    /// letters.
    #[must_use]
    pub fn for_entry(&self, entry: &str) -> Self {
        let pointer = entry.replace('~', "~0").replace('/', "~1");
        let variable = entry.to_ascii_uppercase();
        let fill = |source: &Source| match source {
            Source::Env(name) => Source::Env(name.replace(EACH, &variable)),
            Source::Pointer(path) => Source::Pointer(path.replace(EACH, &pointer)),
        };
        Self {
            from: self.from.iter().map(fill).collect(),
            default: self.default.replace(EACH, entry),
            or: self.or.iter().map(fill).collect(),
        }
    }
}

pub(super) const EACH: &str = "{each}";

/// Where a setting may stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An environment variable of the unit.
    Env(String),
    /// A JSON pointer (RFC 6901) into the first configuration file.
    Pointer(String),
}

/// A value that stands elsewhere: what begins with `starts` names the place. Without `env` and
/// `file`, the place is one that is not read on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// How such a value begins, for example `env://`.
    pub starts: String,
    /// The variable that has the value; `{name}` is the rest in capital letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Whether the rest is the path of a file with the value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub file: bool,
}

/// In [`Reference::env`], the rest of the value.
const NAME: &str = "{name}";

impl Reference {
    /// Returns the variable to which the rest of a value refers, if it refers to one.
    #[must_use]
    pub fn variable(&self, rest: &str) -> Option<String> {
        let pattern = self.env.as_ref()?;
        Some(pattern.replace(NAME, &rest.to_ascii_uppercase()))
    }

    /// Returns what stands before the rest in the name of its variable.
    #[must_use]
    pub fn variable_prefix(&self) -> Option<&str> {
        self.env.as_ref()?.split(NAME).next()
    }

    pub(super) fn check(&self, component: &Component) -> Result<(), ProductError> {
        let refuse = |why: &str| {
            let text = format!(
                "component `{}`, reference `{}`: {why}",
                component.name, self.starts
            );
            Err(ProductError::Inconsistent(text))
        };
        if self.starts.is_empty() {
            return refuse("`starts` is empty, so every value would be a reference");
        }
        match &self.env {
            Some(_) if self.file => refuse("it is a variable or a file, not both"),
            Some(pattern) if !pattern.contains(NAME) => refuse("`env` has no {name}"),
            _ => Ok(()),
        }
    }
}
