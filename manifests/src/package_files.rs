//! `files/<sha256>.json`: the files and dependencies in an RPM's header, so that the
//! host can plan without opening the RPM.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::nevra::Nevra;

/// The type a file list names.
pub const PACKAGE_FILES_TYPE: &str = "airgap-bundle/files/1";

/// Files, dependencies and scriptlets of one RPM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFiles {
    /// Always [`PACKAGE_FILES_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The RPM's digest.
    pub rpm: Sha256,
    /// The package.
    pub nevra: Nevra,
    /// Its statements about itself.
    pub about: About,
    /// Sum of the file sizes in bytes, as rpm counts them.
    pub installed_bytes: u64,
    /// Payload compressor, such as `gzip`.
    pub compressor: String,
    /// Algorithm of the file digests, such as `sha256`.
    pub digest_algorithm: String,
    /// Every path the package owns, in header order.
    pub files: Vec<PackagedFile>,
    /// What it needs.
    pub requires: Vec<Dependency>,
    /// What it offers.
    pub provides: Vec<Dependency>,
    /// What it cannot live with.
    pub conflicts: Vec<Dependency>,
    /// What it replaces.
    pub obsoletes: Vec<Dependency>,
    /// Scripts rpm runs as root.
    pub scriptlets: Vec<Scriptlet>,
}

/// A package's statements about itself, word for word and unchecked. Absent ones are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// One line for people.
    pub summary: String,
    /// The licence, in whatever notation.
    pub licence: String,
    /// Who distributes it.
    pub vendor: String,
    /// The project's page.
    pub url: String,
    /// The source package it was built from.
    pub source_rpm: String,
}

/// One path of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagedFile {
    /// Absolute path on the host.
    pub path: String,
    /// Type and permission bits, as `st_mode`.
    pub mode: u32,
    /// Owner's name.
    pub user: String,
    /// Group's name.
    pub group: String,
    /// Size in bytes.
    pub size: u64,
    /// Hexadecimal digest in the package's algorithm; empty for directories and symlinks.
    pub digest: String,
    /// Target of a symlink; else empty.
    pub link: String,
    /// Capabilities the file gets, such as `cap_net_bind_service=ep`; else empty.
    pub capabilities: String,
    /// `%config`.
    pub config: bool,
    /// `%config(noreplace)`.
    pub noreplace: bool,
    /// `%ghost`: owned, not carried.
    pub ghost: bool,
}

/// A capability, with rpm's comparison if it has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// The capability's name.
    pub name: String,
    /// `=`, `<`, `<=`, `>`, `>=` or empty.
    pub comparison: String,
    /// The version compared with; empty without a comparison.
    pub version: String,
}

/// A scriptlet in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scriptlet {
    /// `%pre`, `%post`, `%preun`, `%postun`, `%pretrans`, `%posttrans` or a trigger.
    pub phase: String,
    /// The interpreter, such as `/bin/sh`.
    pub interpreter: String,
    /// Its text.
    pub body: String,
}

impl PackagedFile {
    /// Whether it is a regular file.
    #[must_use]
    pub const fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

impl Dependency {
    /// Reads `NAME` or `NAME COMPARISON VERSION`, as inventories and rich dependencies write it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let (comparison, version) = match (words.next(), words.next()) {
            (Some("=" | "=="), Some(version)) => ("=", version),
            (Some(other @ ("<" | "<=" | ">" | ">=")), Some(version)) => (other, version),
            _ => ("", ""),
        };
        Self {
            name,
            comparison: comparison.to_owned(),
            version: version.to_owned(),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            comparison,
            version,
        } = self;
        if comparison.is_empty() {
            f.write_str(name)
        } else {
            write!(f, "{name} {comparison} {version}")
        }
    }
}
