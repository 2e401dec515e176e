//! Puts the flags of a command over the environment and the site's file, and records where each
//! choice came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SiteFileError, Value, Values, parse, read};
use crate::layout::Layout;

/// Where a choice came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A flag.
    CommandLine,
    /// A variable of the environment.
    Environment,
    /// The site's file.
    SiteFile,
}

/// A choice of the operator that a run works with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The key, which is the flag's name without the dashes.
    pub key: String,
    /// What it is about, such as a store or a component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The reason, the number or the path.
    pub value: String,
    /// Where it came from.
    pub from: Origin,
}

impl Origin {
    /// Describes it for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::CommandLine => "from the command line",
            Self::Environment => "from the environment",
            Self::SiteFile => "from /etc/airgap-bundle/install.toml",
        }
    }
}

impl Chosen {
    /// Describes it for people, as the flag is written.
    #[must_use]
    pub fn text(&self) -> String {
        let name = self.name.as_ref();
        let name = name.map_or_else(String::new, |name| format!("{name}="));
        format!(
            "--{} {name}{} ({})",
            self.key,
            self.value,
            self.from.words()
        )
    }
}

/// The choices that hold without a flag, and a record of those that were taken.
#[derive(Debug, Default)]
pub struct Choices {
    environment: Values,
    file: Values,
    chosen: Vec<Chosen>,
    /// Why the file does not count, if it does not.
    pub unread: Option<String>,
}

impl Choices {
    /// Reads the environment and the site's file. An ordinary user who may not read the file plans
    /// without it.
    pub fn read(layout: &Layout) -> Result<Self, SiteFileError> {
        let variable = |name: &str| std::env::var(name).ok();
        let environment = parse::environment(&variable)?;
        let (file, unread) = match read(layout) {
            Ok(values) => (values, None),
            Err(error) if error.is_denied() => {
                let why = "only root can read the site's file: what it allows is not in this plan";
                (Values::new(), Some(why.to_owned()))
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            environment,
            file,
            chosen: Vec::new(),
            unread,
        })
    }

    #[cfg(test)]
    pub(super) fn of(environment: Values, file: Values) -> Self {
        Self {
            environment,
            file,
            ..Self::default()
        }
    }

    /// Returns a reason for each name: the flags', and of the other names the environment's and the
    /// file's.
    pub fn reasons(
        &mut self,
        key: &'static str,
        flags: &[(String, String)],
    ) -> BTreeMap<String, String> {
        let of = |values: &Values| match values.get(key) {
            Some(Value::Reasons(found)) => found.clone(),
            _ => BTreeMap::new(),
        };
        let layers = [of(&self.file), of(&self.environment)];
        self.layered(key, layers, flags)
    }

    /// Returns a number for each name.
    pub fn numbers(&mut self, key: &'static str, flags: &[(String, u64)]) -> BTreeMap<String, u64> {
        let of = |values: &Values| match values.get(key) {
            Some(Value::Numbers(found)) => found.clone(),
            _ => BTreeMap::new(),
        };
        let layers = [of(&self.file), of(&self.environment)];
        self.layered(key, layers, flags)
    }

    fn layered<T: Clone + ToString>(
        &mut self,
        key: &'static str,
        [file, environment]: [BTreeMap<String, T>; 2],
        flags: &[(String, T)],
    ) -> BTreeMap<String, T> {
        let with = |from: Origin| move |(name, value): (String, T)| (name, (value, from));
        let mut all: BTreeMap<String, (T, Origin)> = BTreeMap::new();
        all.extend(file.into_iter().map(with(Origin::SiteFile)));
        all.extend(environment.into_iter().map(with(Origin::Environment)));
        all.extend(flags.iter().cloned().map(with(Origin::CommandLine)));
        let record = |(name, (value, from)): (&String, &(T, Origin))| Chosen {
            key: key.to_owned(),
            name: Some(name.clone()),
            value: value.to_string(),
            from: *from,
        };
        self.chosen.extend(all.iter().map(record));
        let plain = all.into_iter();
        plain.map(|(name, (value, _))| (name, value)).collect()
    }

    /// Returns one number: the flag's, else the environment's, else the file's.
    pub fn number(&mut self, key: &'static str, flag: Option<u64>) -> Option<u64> {
        let of = |values: &Values| match values.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        let layers = [flag, of(&self.environment), of(&self.file)];
        self.first(key, layers, u64::to_string)
    }

    /// Returns one path in the same way.
    pub fn path(&mut self, key: &'static str, flag: Option<String>) -> Option<String> {
        let of = |values: &Values| match values.get(key) {
            Some(Value::Path(path)) => Some(path.clone()),
            _ => None,
        };
        let layers = [flag, of(&self.environment), of(&self.file)];
        self.first(key, layers, String::clone)
    }

    fn first<T>(
        &mut self,
        key: &'static str,
        layers: [Option<T>; 3],
        shown: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let origins = [Origin::CommandLine, Origin::Environment, Origin::SiteFile];
        let mut found = layers.into_iter().zip(origins);
        let (value, from) = found.find_map(|(value, from)| Some((value?, from)))?;
        self.chosen.push(Chosen {
            key: key.to_owned(),
            name: None,
            value: shown(&value),
            from,
        });
        Some(value)
    }

    /// Returns what was chosen so far.
    #[must_use]
    pub fn chosen(&self) -> &[Chosen] {
        &self.chosen
    }
}

/// Whether a choice comes from a standing source. It is written for many hosts and runs: that it
/// does not concern this one is no mistake of the operator's.
#[must_use]
pub fn is_standing(chosen: &[Chosen], key: &str, name: &str) -> bool {
    let mut of_key = chosen.iter().filter(|one| one.key == key);
    of_key.any(|one| one.name.as_deref() == Some(name) && one.from != Origin::CommandLine)
}
