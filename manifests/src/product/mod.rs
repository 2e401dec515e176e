//! The product manifest: every fact about a product that the code must not know.

mod check;
mod extra;
mod extra_on_host;
mod print;
mod setting;
mod store;
mod template;

use serde::{Deserialize, Serialize};

use crate::evr::{compare_versions, line_of};

pub use extra::{ExtraFormat, ExtraRule, ExtraTarget};
pub use extra_on_host::{ExtraName, Trial};
pub use setting::{Reference, Setting, Source};
pub use store::{
    Condition, DatabaseSettings, Each, Engine, EngineRule, Migration, RedisSettings, StoreRule,
    Subtype,
};

/// The type a product manifest names.
pub const PRODUCT_TYPE: &str = "airgap-bundle/product/1";

/// The embedded default product.
pub const TYK: &str = include_str!("../../products/tyk.toml");

/// A product: where its RPMs come from, how its parts are upgraded, saved and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductManifest {
    /// Always [`PRODUCT_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// Short name: letters, digits and `-`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Release channel.
    #[serde(default = "stable")]
    pub channel: String,
    /// The component whose version a user names.
    pub lead: String,
    /// Start of every repository address; `--repo-url` replaces it.
    pub base_url: String,
    /// Distributions it is published for.
    #[serde(rename = "distro")]
    pub distros: Vec<Distro>,
    /// Yum repositories.
    #[serde(rename = "repository")]
    pub repositories: Vec<Repository>,
    /// Keys that sign the packages.
    #[serde(rename = "package_key")]
    pub package_keys: Vec<PackageKey>,
    /// Components in upgrade order.
    #[serde(rename = "component")]
    pub components: Vec<Component>,
    /// Versions of pinned components that go with a version of the lead.
    #[serde(rename = "pin", default)]
    pub pins: Vec<Pin>,
    /// Files that may be carried beside the packages.
    #[serde(rename = "extra", default)]
    pub extras: Vec<ExtraRule>,
    /// Versions that rewrite data so that older ones cannot read them.
    #[serde(rename = "migration", default, skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<Migration>,
}

fn stable() -> String {
    "stable".to_owned()
}

/// A distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distro {
    /// Our id, such as `el8`.
    pub id: String,
    /// `ID` values of `/etc/os-release`.
    pub os_ids: Vec<String>,
    /// Major version of the operating system; `{major}` in repository paths.
    pub major: u32,
    /// Other names for `--distro`.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A yum repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Our id.
    pub id: String,
    /// Path below `base_url`, with `{major}` and `{arch}`.
    pub path: String,
    /// Path of the metadata key below `base_url`.
    pub key_path: String,
    /// Pinned fingerprints of metadata keys, upper-case hexadecimal. Empty: not known, so the
    /// build stops and shows what it found.
    #[serde(default)]
    pub key_fingerprints: Vec<String>,
    /// Holds what the product needs and nothing of the product: read for `--with-deps` alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dependencies: bool,
}

/// A key that signs packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageKey {
    /// File name in the bundle: `keys/vendor/<id>.asc`.
    pub id: String,
    /// Where it is published.
    pub url: String,
    /// Pinned fingerprints, upper-case hexadecimal; empty as above.
    #[serde(default)]
    pub fingerprints: Vec<String>,
}

/// A part of the product that is one package and usually one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Our name, such as `gateway`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// The package.
    pub package: String,
    /// Packages that are always of the same version as it: they change in one transaction with it,
    /// where they are installed or needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Id of the repository it is in.
    pub repository: String,
    /// How its version follows from the one the user names.
    pub versioning: Versioning,
    /// Its systemd unit, with suffix.
    #[serde(default)]
    pub unit: Option<String>,
    /// Whether a start of its services is held back while its packages change.
    #[serde(default, skip_serializing_if = "Hold::is_full")]
    pub hold: Hold,
    /// The program the unit's main process runs; not part of the configuration backup.
    #[serde(default)]
    pub program: Option<String>,
    /// Configuration files, JSON; the first answers `pointer` look-ups, unless the unit's command
    /// line names another one.
    #[serde(default)]
    pub config: Vec<String>,
    /// Options of the program after which a configuration file stands on its command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_flags: Vec<String>,
    /// Where this is so, the program reads no configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_unless: Option<Condition>,
    /// Files of `NAME=value` lines that override the configuration, weakest first. They count where
    /// no systemd tells what the unit gets.
    #[serde(default)]
    pub environment: Vec<String>,
    /// How values of its settings refer to other places.
    #[serde(rename = "reference", default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Packages that it does not need and its operators may: `--tool` carries them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// What the backup holds.
    #[serde(default)]
    pub backup: Vec<BackupTree>,
    /// Where it keeps data.
    #[serde(rename = "store", default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<StoreRule>,
    /// How its health is checked.
    #[serde(default)]
    pub health: Option<Health>,
}

impl Component {
    /// Returns the names of its package and of those in lock step with it.
    pub fn all_packages(&self) -> impl Iterator<Item = &str> {
        let beside = self.packages.iter().map(String::as_str);
        std::iter::once(self.package.as_str()).chain(beside)
    }
}

/// Whether the services of a component can start while its packages change. They are stopped in
/// either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// They cannot.
    #[default]
    Full,
    /// They can: a scriptlet of the package waits for its own service. The new version may then run,
    /// and write data, before the transaction was checked.
    None,
}

impl Hold {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_full(&self) -> bool {
        *self == Self::Full
    }
}

/// How a component's version follows from the one the user names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Versioning {
    /// It has the lead's version numbers: the named version or line.
    Lead,
    /// It has its own; `[[pin]]` names the one that goes with the lead's.
    Pinned,
}

/// A file or directory to back up, with everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupTree {
    /// Absolute path.
    pub path: String,
    /// Absolute paths left out.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// A health check over HTTP on the host itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Address that the service listens on, and that is connected to.
    pub address: Setting,
    /// Name that the service must be asked by (`Host`, SNI); empty for none. No connection goes to
    /// it.
    #[serde(default, skip_serializing_if = "Setting::is_empty")]
    pub host_name: Setting,
    /// Port to ask.
    pub port: Setting,
    /// Path to ask, without the leading slash.
    pub path: Setting,
    /// `true` for HTTPS.
    pub tls: Setting,
    /// What the JSON body must contain.
    pub expect: Vec<Expectation>,
    /// Where the body carries the version, if it does.
    #[serde(default)]
    pub version_pointer: Option<String>,
    /// Successes in a row that make a service healthy.
    pub consecutive: u32,
    /// Pause between probes, milliseconds.
    pub interval_ms: u64,
    /// Longest time for one probe, milliseconds.
    pub timeout_ms: u64,
    /// Longest time for all of it, seconds.
    pub budget_secs: u64,
}

impl Health {
    /// Whether the component's own configuration decides how it is asked.
    #[must_use]
    pub fn reads_settings(&self) -> bool {
        let Self {
            address,
            host_name,
            port,
            path,
            tls,
            ..
        } = self;
        let all = [address, host_name, port, path, tls];
        all.iter()
            .any(|one| !one.from.is_empty() || !one.or.is_empty())
    }
}

/// One demand on a health answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// JSON pointer into the body.
    pub pointer: String,
    /// Values that are well.
    pub any_of: Vec<String>,
}

/// The version of a pinned component that goes with the lead's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// From this version of the lead on, up to the next pin of the same line.
    pub lead: String,
    /// The pinned component.
    pub component: String,
    /// Its version, or line.
    pub version: String,
}

/// A product manifest that is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    /// Not TOML of this shape; the message points to the line.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// Not JSON of this shape.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A settings template or a list of pins that cannot be expanded.
    #[error("line {line}: {why}")]
    Template {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Contradicts itself.
    #[error("{0}")]
    Inconsistent(String),
}

impl ProductManifest {
    /// Reads a product manifest as people write it, and expands its templates.
    pub fn from_toml(text: &str) -> Result<Self, ProductError> {
        let product = template::read(text)?;
        product.check()?;
        Ok(product)
    }

    /// Reads a product manifest as a bundle carries it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ProductError> {
        let product: Self = crate::json::read(bytes)?;
        product.check()?;
        Ok(product)
    }

    /// Returns the component of that name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components
            .iter()
            .find(|component| component.name == name)
    }

    /// Returns the distribution of that id or alias.
    #[must_use]
    pub fn distro(&self, name: &str) -> Option<&Distro> {
        self.distros
            .iter()
            .find(|distro| distro.id == name || distro.aliases.iter().any(|a| a == name))
    }

    /// Returns the version that `component` should have beside version `lead` of the lead: the pin
    /// with the highest `lead` that is not above it on the same line.
    #[must_use]
    pub fn pinned(&self, component: &str, lead: &str) -> Option<&Pin> {
        self.pins
            .iter()
            .filter(|pin| pin.component == component && line_of(&pin.lead) == line_of(lead))
            .filter(|pin| compare_versions(&pin.lead, lead).is_le())
            .max_by(|a, b| compare_versions(&a.lead, &b.lead))
    }
}

#[cfg(test)]
mod tests;
