//! Extras on a host: where they are, what their names mean, and how a program is asked about one.

use serde::{Deserialize, Serialize};

use super::ExtraRule;
use super::check::is_plain_path;
use super::extra::{NAME, fill};
use crate::nevra::Arch;
use crate::product::ExtraTarget;

/// A command of the component's own program that loads an extra and reports whether that worked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Arguments, with `{file}` for the extra and `{symbol}` for a name in it. The names in
    /// a plugin are unknown: a made-up one is asked for.
    pub args: Vec<String>,
    /// Texts in its output that prove that the extra cannot be loaded. Any other answer proves nothing.
    pub refused: Vec<String>,
}

/// The meaning of the name of a host's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraName<'a> {
    /// It is for one version of the component.
    Versioned {
        /// Its own part.
        stem: &'a str,
        /// The version.
        version: &'a str,
    },
    /// It names no version: a component loads it where no file names its own version.
    Plain {
        /// Its own part.
        stem: &'a str,
    },
    /// It is for another architecture.
    Elsewhere,
}

impl Trial {
    /// Returns the arguments for a file. Its symbol is made of `stem`.
    #[must_use]
    pub fn args_for(&self, file: &str, stem: &str) -> Vec<String> {
        let is_symbol = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let symbol: String = stem
            .chars()
            .map(|c| if is_symbol(c) { c } else { '_' })
            .collect();
        // The symbol first: it holds no braces, a file's name may.
        let filled = |arg: &String| arg.replace("{symbol}", &symbol).replace("{file}", file);
        self.args.iter().map(filled).collect()
    }

    /// Returns the line of an output that proves that the extra cannot be loaded.
    #[must_use]
    pub fn refusal<'a>(&self, output: &'a str) -> Option<&'a str> {
        let is_refusal = |line: &&str| self.refused.iter().any(|text| line.contains(text.as_str()));
        output.lines().map(str::trim).find(is_refusal)
    }
}

impl ExtraRule {
    /// Returns what a file's name on a host of this architecture means; nothing if it is no such file.
    #[must_use]
    pub fn recognise<'a>(&self, file_name: &'a str, arch: Arch) -> Option<ExtraName<'a>> {
        let stem = file_name.strip_suffix(self.suffix.as_deref()?)?;
        for of in [Arch::X86_64, Arch::Aarch64] {
            let mut names = self.names.iter();
            let found = names.find_map(|template| parts_of(file_name, template, of));
            match found {
                Some((stem, version)) if of == arch => {
                    return Some(ExtraName::Versioned { stem, version });
                }
                Some(_) => return Some(ExtraName::Elsewhere),
                None => {}
            }
        }
        (!stem.is_empty()).then_some(ExtraName::Plain { stem })
    }

    pub(super) fn check_on_hosts(&self) -> Result<(), String> {
        let Some(directory) = &self.directory else {
            if self.suffix.is_some() || self.trial.is_some() {
                return Err("a suffix or a trial is of no use without a directory".to_owned());
            }
            return Ok(());
        };
        if !is_plain_path(&directory.default) {
            let path = &directory.default;
            return Err(format!("`{path}` is not a plain absolute path"));
        }
        let is_clean = |c: char| c.is_ascii_alphanumeric() || "._+~^-".contains(c);
        let suffix = self.suffix.as_deref().unwrap_or_default();
        if suffix.len() < 2 || !suffix.chars().all(is_clean) {
            return Err("with a directory it needs a suffix, the end of a file name".to_owned());
        }
        for template in &self.names {
            // The text between the two separates them.
            let between = template
                .split_once(NAME)
                .and_then(|(_, rest)| rest.split_once(VERSION));
            let is_told = between
                .is_some_and(|(middle, after)| !middle.is_empty() && !after.contains(VERSION));
            if !is_told || !template.ends_with(suffix) {
                return Err(format!(
                    "with a directory, `{template}` must be {{name}}, something, {{version}}, and end in `{suffix}`"
                ));
            }
        }
        let Some(trial) = &self.trial else {
            return Ok(());
        };
        let names_file = trial.args.iter().any(|arg| arg.contains("{file}"));
        if !names_file || trial.refused.is_empty() || trial.refused.iter().any(String::is_empty) {
            return Err("its trial needs {file} and texts that mean a refusal".to_owned());
        }
        Ok(())
    }
}

const VERSION: &str = "{version}";

/// Returns the name's own part and its version, if it is one of the template's.
fn parts_of<'a>(file_name: &'a str, template: &str, arch: Arch) -> Option<(&'a str, &'a str)> {
    let filled = fill(
        template,
        ExtraTarget {
            version: VERSION,
            arch,
        },
    );
    let (before, rest) = filled.split_once(NAME)?;
    let (middle, after) = rest.split_once(VERSION)?;
    let inner = file_name.strip_prefix(before)?.strip_suffix(after)?;
    let (stem, version) = inner.rsplit_once(middle)?;
    let is_version = version.starts_with(|c: char| c.is_ascii_digit())
        && version
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".~+^-".contains(c));
    (!stem.is_empty() && is_version).then_some((stem, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{ProductManifest, TYK};

    fn tyk() -> ProductManifest {
        ProductManifest::from_toml(TYK).unwrap()
    }

    #[test]
    fn names_on_a_host_mark_the_purpose_of_a_file() {
        let rule = &tyk().extras[0];
        let versioned = |stem, version| Some(ExtraName::Versioned { stem, version });
        for (name, meaning) in [
            ("auth_v5.2.5_linux_amd64.so", versioned("auth", "5.2.5")),
            ("auth_5.2.5_linux_amd64.so", versioned("auth", "5.2.5")),
            ("my_v1_v5.10.0_linux_amd64.so", versioned("my_v1", "5.10.0")),
            ("auth_v5.2.5_linux_arm64.so", Some(ExtraName::Elsewhere)),
            ("auth.so", Some(ExtraName::Plain { stem: "auth" })),
            ("auth_vX.so", Some(ExtraName::Plain { stem: "auth_vX" })),
            ("auth.so.bak", None),
            ("sample.js", None),
            (".so", None),
        ] {
            assert_eq!(rule.recognise(name, Arch::X86_64), meaning, "{name}");
        }
    }

    #[test]
    fn only_words_of_a_refusal_are_one() {
        let tyk = tyk();
        let trial = tyk.extras[0].trial.as_ref().unwrap();
        let args = trial.args_for("/x/{symbol}.so", "my-auth.2");
        assert_eq!(args[3..], ["/x/{symbol}.so", "-s", "my_auth_2"]);
        let refused = "time=1\n unexpected error: plugin.Open(\"/x\"): plugin was built with a different \
                       version of package internal/goarch\n";
        assert!(trial.refusal(refused).unwrap().starts_with("unexpected"));
        for other in [
            "loaded ok",
            "plugin: symbol my_auth not found in plugin main",
        ] {
            assert_eq!(trial.refusal(other), None, "{other}");
        }
    }

    #[test]
    fn rules_that_no_host_could_be_looked_at_by_are_refused() {
        let tyk = tyk();
        let refused = |change: fn(&mut ExtraRule)| {
            let mut product = tyk.clone();
            change(&mut product.extras[0]);
            assert!(product.check().is_err());
        };
        refused(|rule| rule.suffix = None);
        refused(|rule| rule.suffix = Some("/so".to_owned()));
        refused(|rule| rule.directory = None);
        refused(|rule| rule.names = vec!["{name}.so".to_owned()]);
        refused(|rule| rule.names = vec!["{version}_{name}.so".to_owned()]);
        refused(|rule| rule.names = vec!["{name}{version}.so".to_owned()]);
        refused(|rule| {
            rule.directory
                .iter_mut()
                .for_each(|d| d.default = "opt".to_owned());
        });
        refused(|rule| rule.trial.iter_mut().for_each(|t| t.args.clear()));
        refused(|rule| {
            rule.trial
                .iter_mut()
                .for_each(|t| t.refused.push(String::new()));
        });
    }

    /// A rule of before hosts were looked at keeps its bytes.
    #[test]
    fn what_is_not_said_is_not_written() {
        let mut rule = tyk().extras[0].clone();
        (rule.directory, rule.suffix, rule.trial) = (None, None, None);
        let text = serde_json::to_string(&rule).unwrap();
        let absent = ["directory", "suffix", "trial"];
        assert!(absent.iter().all(|word| !text.contains(word)), "{text}");
    }
}
