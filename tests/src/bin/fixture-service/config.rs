//! A configuration file with the environment's overrides, which win as they do for the vendor.

use std::fs;
use std::path::Path;

use crate::json::Json;

/// The configuration of a service.
#[derive(Debug)]
pub(crate) struct Config {
    file: Json,
    prefix: &'static str,
}

impl Config {
    /// Reads a JSON file; `TYK_GW_` is an example of a prefix.
    pub(crate) fn read(path: &Path, prefix: &'static str) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let file = Json::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { file, prefix })
    }

    /// The value under a path of keys, environment first. `["storage", "host"]` is
    /// `TYK_GW_STORAGE_HOST` there, and `["listen_port"]` is `TYK_GW_LISTENPORT`.
    pub(crate) fn word(&self, path: &[&str]) -> Option<String> {
        std::env::var(variable(self.prefix, path))
            .ok()
            .or_else(|| self.file.at(path)?.to_word())
            .filter(|word| !word.is_empty())
    }

    /// A number; one that cannot be read is an error, an absent one is `None`.
    pub(crate) fn number<T: std::str::FromStr>(&self, path: &[&str]) -> Result<Option<T>, String> {
        let parse = |word: String| {
            word.parse()
                .map_err(|_| format!("{}: {word:?} is not a number", path.join(".")))
        };
        self.word(path).map(parse).transpose()
    }

    /// The names below a path of keys, in the file alone.
    pub(crate) fn names(&self, path: &[&str]) -> Vec<String> {
        self.file.at(path).map(Json::names).unwrap_or_default()
    }

    pub(crate) fn flag(&self, path: &[&str]) -> bool {
        self.word(path).as_deref() == Some("true")
    }
}

fn variable(prefix: &str, path: &[&str]) -> String {
    let words: Vec<String> = path
        .iter()
        .map(|key| key.replace('_', "").to_ascii_uppercase())
        .collect();
    format!("{prefix}{}", words.join("_"))
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn spells_variables_as_the_vendor_does() {
        assert_eq!(variable("TYK_GW_", &["listen_port"]), "TYK_GW_LISTENPORT");
        assert_eq!(
            variable("TYK_GW_", &["storage", "host"]),
            "TYK_GW_STORAGE_HOST"
        );
    }
}
