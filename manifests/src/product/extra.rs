//! Files that a product allows beside its packages, such as plugins built for one version.

use serde::{Deserialize, Serialize};

use super::{ProductError, ProductManifest, Setting, Trial};
use crate::nevra::Arch;

/// A kind of file that may be carried beside a component's package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraRule {
    /// Our name, such as `go-plugin`: the directory below `extras/`.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// The component it belongs to.
    pub component: String,
    /// What a file may be called, the best way first: text around `{name}`, with `{version}` for the
    /// component's target version, `{arch}` as rpm spells it and `{goarch}` as Go does.
    pub names: Vec<String>,
    /// What its bytes must be.
    #[serde(default)]
    pub format: ExtraFormat,
    /// What to do about a file that does not match, with the same words in braces.
    pub cure: String,
    /// Where it is on a host. Without it, hosts are not looked at, and what is carried is not put
    /// anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<Setting>,
    /// How a host's files of this kind are recognised: the end of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// How the target version's program is asked whether it loads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// What the bytes of an extra must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtraFormat {
    /// Anything.
    #[default]
    Any,
    /// A shared object for the architecture in its name.
    ElfSharedObject,
}

/// The version and the architecture a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtraTarget<'a> {
    /// The component's target version, without release.
    pub version: &'a str,
    /// The host's architecture.
    pub arch: Arch,
}

pub(super) const NAME: &str = "{name}";

impl ExtraRule {
    /// Whether a file of this name is for that version and architecture.
    #[must_use]
    pub fn accepts(&self, file_name: &str, target: ExtraTarget<'_>) -> bool {
        self.names
            .iter()
            .any(|template| stem_of(file_name, &fill(template, target)).is_some())
    }

    /// Returns what a file for that version and architecture is called, with `NAME` for its own part.
    #[must_use]
    pub fn expected(&self, target: ExtraTarget<'_>) -> String {
        let best = self.names.first().map_or(NAME, String::as_str);
        fill(best, target).replace(NAME, "NAME")
    }

    /// Returns what to do about a file that is for another version.
    #[must_use]
    pub fn cure_for(&self, target: ExtraTarget<'_>) -> String {
        fill(&self.cure, target)
    }

    pub(super) fn check(&self, product: &ProductManifest) -> Result<(), ProductError> {
        let refuse = |why: String| {
            let text = format!("extra `{}`: {why}", self.id);
            Err(ProductError::Inconsistent(text))
        };
        if !super::check::is_plain(&self.id) {
            return refuse("its id is not of a-z, 0-9 and -".to_owned());
        }
        if product.component(&self.component).is_none() {
            return refuse(format!("no component `{}`", self.component));
        }
        if product.extras.iter().filter(|e| e.id == self.id).count() > 1 {
            return refuse("it is listed twice".to_owned());
        }
        if self.names.is_empty() {
            return refuse("it allows no name".to_owned());
        }
        for template in &self.names {
            let bare = ["{version}", "{arch}", "{goarch}"]
                .iter()
                .fold(template.clone(), |text, word| text.replace(word, ""));
            let around = bare.replacen(NAME, "", 1);
            let is_clean = |c: char| c.is_ascii_alphanumeric() || "._+~^-".contains(c);
            if around.len() == bare.len() || !around.chars().all(is_clean) {
                return refuse(format!(
                    "`{template}` is not a file name around one {{name}} (known: {{version}}, {{arch}}, {{goarch}})"
                ));
            }
        }
        self.check_on_hosts().or_else(refuse)
    }
}

pub(super) fn fill(template: &str, target: ExtraTarget<'_>) -> String {
    let goarch = match target.arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    };
    template
        .replace("{version}", target.version)
        .replace("{arch}", target.arch.as_str())
        .replace("{goarch}", goarch)
}

/// Returns the part of a name that stands for `{name}`.
fn stem_of<'a>(file_name: &'a str, template: &str) -> Option<&'a str> {
    let (before, after) = template.split_once(NAME)?;
    let stem = file_name.strip_prefix(before)?.strip_suffix(after)?;
    (!stem.is_empty()).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> ExtraRule {
        let tyk = ProductManifest::from_toml(super::super::TYK).unwrap();
        tyk.extras.first().unwrap().clone()
    }

    #[test]
    fn a_plugin_is_for_one_version_and_architecture() {
        let (rule, intel) = (rule(), Arch::X86_64);
        let version = "5.3.2";
        let target = ExtraTarget {
            version,
            arch: intel,
        };
        assert!(rule.accepts("auth_v5.3.2_linux_amd64.so", target));
        assert!(rule.accepts("auth_5.3.2_linux_amd64.so", target));
        assert!(rule.accepts("my_auth.2_v5.3.2_linux_amd64.so", target));
        for other in [
            "auth.so",
            "auth_v5.3.1_linux_amd64.so",
            "auth_v5.3.20_linux_amd64.so",
            "auth_v5.3.2_linux_arm64.so",
            "_v5.3.2_linux_amd64.so",
            "auth_v5.3.2_linux_amd64.so.bak",
        ] {
            assert!(!rule.accepts(other, target), "{other}");
        }
        let arm = ExtraTarget {
            version,
            arch: Arch::Aarch64,
        };
        assert_eq!(rule.expected(arm), "NAME_v5.3.2_linux_arm64.so");
        assert!(rule.cure_for(arm).contains("v5.3.2"));
    }

    #[test]
    fn templates_that_are_no_file_names_are_refused() {
        let tyk = ProductManifest::from_toml(super::super::TYK).unwrap();
        for bad in [
            "plugin.so",
            "../{name}.so",
            "{name}{name}",
            "{name}_{os}.so",
        ] {
            let mut product = tyk.clone();
            product.extras[0].names = vec![bad.to_owned()];
            assert!(product.check().is_err(), "{bad}");
        }
    }
}
