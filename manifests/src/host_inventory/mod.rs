//! An isolated host's description of itself for a builder: `install inventory` writes it, `bundle build
//! --inventory` reads it. It names packages, states and digests, and never the content of a file.
//!
//! File dependencies are resolved as yum repositories resolve them: a package lists the paths that
//! `primary.xml` would list ([`is_primary_path`]), not all of its files.

use std::collections::BTreeSet;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::nevra::{Arch, Nevra};

/// The type an inventory names.
pub const INVENTORY_TYPE: &str = "airgap-bundle/inventory/1";
/// Largest inventory; a host of 3000 packages takes about 5 MiB.
pub const INVENTORY_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Most installed packages.
pub const PACKAGES_MAX: usize = 20_000;
/// Most capabilities or paths of one package.
pub const CAPABILITIES_MAX: usize = 20_000;
/// Most entries of any other list.
pub const FACTS_MAX: usize = 1_000;
/// Longest text.
pub const TEXT_MAX_BYTES: usize = 4_096;

/// One host at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostInventory {
    /// Always [`INVENTORY_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The installer that wrote it.
    pub tool_version: Version,
    /// When, seconds since 1970.
    pub taken: u64,
    /// The owner's name for the host, if one was given. The host's own name is never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The product whose configuration and services were looked at.
    pub product: String,
    /// The operating system.
    pub os: OperatingSystem,
    /// The rpm that installs packages there.
    pub rpm: RpmFacts,
    /// What decides whether a package is accepted and its program may run.
    pub security: Security,
    /// Every installed package, sorted.
    pub packages: Vec<HostPackage>,
    /// Installed packages whose identity this project cannot read, as rpm names them.
    pub skipped: Vec<String>,
    /// The product's configuration files.
    pub configs: Vec<ConfigFile>,
    /// The product's services.
    pub services: Vec<Service>,
    /// The filesystems that an upgrade writes to.
    pub places: Vec<Place>,
}

/// Something that may be hidden from who looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed<T> {
    /// It is this.
    Known(T),
    /// It does not exist.
    Absent,
    /// The caller may not see it.
    Unknown,
}

impl<T> Observed<T> {
    /// Returns what is known.
    #[must_use]
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingSystem {
    /// `ID` of `/etc/os-release`.
    pub id: String,
    /// `VERSION_ID` of `/etc/os-release`.
    pub version_id: String,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub pretty: String,
    /// The product's distribution id, if it knows this system.
    pub distro: Option<String>,
    /// The machine's architecture, if this project knows it.
    pub arch: Option<Arch>,
    /// The running kernel's release.
    pub kernel: Observed<String>,
    /// Whether `/bin` and its like are links into `/usr`.
    pub merged_usr: bool,
}

/// The rpm of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpmFacts {
    /// Its version, such as `4.14.3`.
    pub version: String,
    /// How it keeps its database: `bdb`, `ndb` or `sqlite`.
    pub database: String,
}

/// What decides whether a package is accepted and its program may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// The crypto policy, such as `DEFAULT` or `DEFAULT:SHA1`; EL7 has none.
    pub crypto_policy: Observed<String>,
    /// Whether the kernel is in FIPS mode.
    pub fips: bool,
    /// `enforcing` or `permissive`; absent where `SELinux` is off.
    pub selinux: Observed<String>,
    /// `active` or another state of fapolicyd's unit; absent where it is not installed.
    pub fapolicyd: Observed<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPackage {
    /// Its identity.
    pub nevra: Nevra,
    /// Build time of its header, seconds since 1970.
    pub build_time: u64,
    /// `sha256:` or, on rpm 4.11, `sha1:` and the digest of its header; empty without one.
    pub header: String,
    /// What it offers: `NAME` or `NAME COMPARISON VERSION`.
    pub provides: Vec<String>,
    /// What it cannot live with, in the same form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// Those of its files that others may name as a dependency ([`is_primary_path`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// A configuration file of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// The component.
    pub component: String,
    /// The file.
    pub path: String,
    /// The digest of its content.
    pub sha256: Observed<Sha256>,
}

/// A service of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The component.
    pub component: String,
    /// The unit.
    pub unit: String,
    /// `LoadState`.
    pub load: String,
    /// `ActiveState`.
    pub active: String,
    /// `UnitFileState`.
    pub file: String,
}

/// A directory that an upgrade writes to, and the room on its filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The directory.
    pub path: String,
    /// Places with the same number share a filesystem.
    pub filesystem: u64,
    /// Bytes available.
    pub free_bytes: u64,
    /// Inodes available; nothing where there is no limit.
    pub free_inodes: Option<u64>,
    /// Mounted read-only.
    pub read_only: bool,
}

/// An inventory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// Larger than a reader takes.
    #[error("it is larger than {INVENTORY_MAX_BYTES} bytes")]
    TooLarge,
    /// Not JSON of this shape.
    #[error("it does not have the shape of an inventory: {0}")]
    Json(#[from] serde_json::Error),
    /// Another type.
    #[error("its type is `{}`; this build reads `{INVENTORY_TYPE}`", .0.escape_debug())]
    Unknown(String),
    /// More, longer or other than a host can have.
    #[error("it holds {0}")]
    Implausible(String),
}

/// Whether other packages may name this file as a dependency without a need to read complete file
/// lists: the rule by which `primary.xml` lists files.
#[must_use]
pub fn is_primary_path(path: &str) -> bool {
    path.starts_with("/etc/") || path.contains("bin/") || path == "/usr/lib/sendmail"
}

impl HostInventory {
    /// Reads an inventory from an untrusted source.
    pub fn parse(bytes: &[u8]) -> Result<Self, InventoryError> {
        #[derive(Deserialize)]
        struct Typed {
            #[serde(rename = "type")]
            document: String,
        }
        if bytes.len() as u64 > INVENTORY_MAX_BYTES {
            return Err(InventoryError::TooLarge);
        }
        let typed: Typed = serde_json::from_slice(bytes)?;
        if typed.document != INVENTORY_TYPE {
            return Err(InventoryError::Unknown(
                typed.document.chars().take(80).collect(),
            ));
        }
        let inventory: Self = serde_json::from_slice(bytes)?;
        inventory.check().map_err(InventoryError::Implausible)?;
        Ok(inventory)
    }

    /// Checks the bounds and the characters. The writer calls it too.
    pub fn check(&self) -> Result<(), String> {
        let lists = [
            ("packages", self.packages.len(), PACKAGES_MAX),
            ("skipped packages", self.skipped.len(), FACTS_MAX),
            ("configuration files", self.configs.len(), FACTS_MAX),
            ("services", self.services.len(), FACTS_MAX),
            ("places", self.places.len(), FACTS_MAX),
        ];
        if let Some((what, count, max)) = lists.into_iter().find(|(_, count, max)| count > max) {
            return Err(format!("{count} {what}, more than {max}"));
        }
        let mut seen = BTreeSet::new();
        for package in &self.packages {
            package.check()?;
            if !seen.insert(package.nevra.to_string()) {
                return Err(format!("{} twice", package.nevra));
            }
        }
        self.texts().try_for_each(|text| check_text(text))
    }

    /// Returns every text outside the packages.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let (os, rpm, security) = (&self.os, &self.rpm, &self.security);
        let plain = [&self.product, &os.id, &os.version_id, &os.pretty];
        let rpm = [&rpm.version, &rpm.database];
        let observed = [
            &os.kernel,
            &security.crypto_policy,
            &security.selinux,
            &security.fapolicyd,
        ];
        let configs = self.configs.iter().flat_map(|c| [&c.component, &c.path]);
        let services = self
            .services
            .iter()
            .flat_map(|s| [&s.component, &s.unit, &s.load, &s.active, &s.file]);
        plain
            .into_iter()
            .chain(rpm)
            .chain(observed.into_iter().filter_map(Observed::known))
            .chain(&self.name)
            .chain(&os.distro)
            .chain(&self.skipped)
            .chain(configs)
            .chain(services)
            .chain(self.places.iter().map(|place| &place.path))
    }

    /// Returns the major version of the operating system.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        self.os.version_id.split('.').next()?.parse().ok()
    }

    /// Returns the installed packages of a name.
    pub fn installed<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HostPackage> {
        let is_named = move |package: &&HostPackage| package.nevra.name() == name;
        self.packages.iter().filter(is_named)
    }

    /// Returns the place whose path is the longest beginning of `path`.
    #[must_use]
    pub fn place_of(&self, path: &str) -> Option<&Place> {
        let holds = |place: &&Place| {
            let below = path.strip_prefix(place.path.trim_end_matches('/'));
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let places = self.places.iter().filter(holds);
        places.max_by_key(|place| place.path.len())
    }
}

impl HostPackage {
    fn check(&self) -> Result<(), String> {
        for list in [&self.provides, &self.conflicts, &self.paths] {
            if list.len() > CAPABILITIES_MAX {
                let count = list.len();
                return Err(format!("{count} capabilities of {}", self.nevra));
            }
            list.iter().try_for_each(|text| check_text(text))?;
        }
        check_text(&self.header)
    }
}

fn check_text(text: &str) -> Result<(), String> {
    let shown = || text.chars().take(80).collect::<String>();
    if text.len() > TEXT_MAX_BYTES {
        return Err(format!(
            "a text longer than {TEXT_MAX_BYTES} bytes: `{}…`",
            shown().escape_debug()
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!(
            "control characters in `{}`",
            shown().escape_debug()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
