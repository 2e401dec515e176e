//! The bundle manifest: the signed list of everything a bundle holds.

mod bounds;

use std::collections::BTreeSet;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::bundle_path::BundlePath;
use crate::digest::Sha256;
use crate::format::{PRODUCT_PATH, Section};
use crate::limits::MANIFEST_MAX_BYTES;
use crate::nevra::{Arch, Nevra};

pub use bounds::{BoundsError, check_bounds, limit_of};

/// The type a bundle manifest names.
pub const MANIFEST_TYPE: &str = "airgap-bundle/manifest/1";
/// The format this build writes and reads.
pub const FORMAT: u32 = 1;

/// The bundle manifest, format 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleManifest {
    /// Always [`MANIFEST_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// Always [`FORMAT`].
    pub format: u32,
    /// The product's name.
    pub product: String,
    /// The product's name for people.
    pub title: String,
    /// What was asked for, such as `5.3`.
    pub version: String,
    /// Release channel, such as `stable`.
    pub channel: String,
    /// Monotonic per product and channel.
    pub sequence: u64,
    /// Time of the build's inputs, seconds since 1970; also the time of every entry.
    pub timestamp: u64,
    /// When the bundle grows old, seconds since 1970. Warns; never part of the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// The oldest installer that understands this bundle.
    pub minimum_installer: Version,
    /// The builder that wrote it.
    pub tool_version: Version,
    /// The hosts it is for.
    pub targets: Vec<Target>,
    /// Every entry but the manifest, `signatures/` and `trust/`, in file order.
    pub entries: Vec<Entry>,
    /// Every RPM, in file order.
    pub rpms: Vec<BundledRpm>,
}

/// A kind of host a bundle is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The distribution id, such as `el8`.
    pub distro: String,
    /// `ID` values of `/etc/os-release` that are this distribution.
    pub os_ids: Vec<String>,
    /// The major version of the operating system.
    pub major: u32,
    /// The architecture.
    pub arch: Arch,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where it is.
    pub path: BundlePath,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
    /// How it is stored.
    pub encoding: Encoding,
}

/// How an entry is stored. Other encodings are refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is.
    Plain,
}

/// An RPM and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledRpm {
    /// The entry.
    pub path: BundlePath,
    /// The SHA-256 of the file; the RPM's identity everywhere.
    pub sha256: Sha256,
    /// The package.
    pub nevra: Nevra,
    /// The header's build time, seconds since 1970.
    pub build_time: u64,
    /// Fingerprint of the key whose package signature the builder checked.
    pub signer: Option<String>,
    /// Digests inside the RPM.
    pub header: HeaderDigests,
    /// What a host may trip over.
    pub lint: Vec<LintFlag>,
    /// For whom and what.
    pub uses: Vec<Use>,
}

/// Digests that the RPM itself carries; absent ones matter on old or FIPS hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderDigests {
    /// SHA-1 of the header.
    pub sha1: Option<String>,
    /// SHA-256 of the header.
    pub sha256: Option<String>,
    /// SHA-256 of the compressed payload.
    pub payload_sha256: Option<String>,
}

/// A property of an RPM that some hosts refuse or that deserves a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LintFlag {
    /// The payload's compressor is unknown to rpm 4.11: refused before EL8.
    PayloadNotForEl7,
    /// No SHA-256 header digest: refused in FIPS mode.
    NoSha256Header,
    /// No payload digest: the builder checks files one by one, FIPS mode refuses it.
    NoPayloadDigest,
    /// File digests are MD5: installation fails half-way in FIPS mode.
    Md5FileDigests,
    /// The package signature uses SHA-1: refused by EL9.
    Sha1Signature,
    /// No package signature at all; carried at the request of the builder's user.
    Unsigned,
}

/// One purpose of an RPM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The distribution id.
    pub distro: String,
    /// The host architecture.
    pub arch: Arch,
    /// Why it is carried.
    pub role: Role,
    /// Position of the component in the upgrade order, from 0.
    pub order: u32,
    /// The product's component; of a dependency the first that needs it.
    pub component: String,
}

/// Why an RPM is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What the host ends with.
    Target,
    /// What a revert goes back to.
    Previous,
    /// What a target needs beside it, for hosts that have nothing in its place.
    Dependency,
    /// What a revert goes back to where a dependency replaces an older version of itself.
    PreviousDependency,
}

impl Role {
    /// Every role, in the order of a list.
    pub const ALL: [Self; 4] = [
        Self::Target,
        Self::Previous,
        Self::Dependency,
        Self::PreviousDependency,
    ];

    /// Returns the word for it, as documents write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Previous => "previous",
            Self::Dependency => "dependency",
            Self::PreviousDependency => "previous-dependency",
        }
    }
}

/// A document that is not acceptable although its signature is.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Larger than a reader takes.
    #[error("it is larger than {MANIFEST_MAX_BYTES} bytes")]
    TooLarge,
    /// Not JSON of this shape.
    #[error("it does not have the shape of a format {FORMAT} manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Another type or format.
    #[error(
        "it is `{document}` of format {format}; this build knows `{MANIFEST_TYPE}` of format {FORMAT}"
    )]
    Unknown {
        /// As written.
        document: String,
        /// As written.
        format: u32,
    },
    /// Contradicts itself.
    #[error("it contradicts itself: {0}")]
    Inconsistent(String),
}

impl BundleManifest {
    /// Reads a manifest and checks that it is consistent. The caller has verified the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() as u64 > MANIFEST_MAX_BYTES {
            return Err(DocumentError::TooLarge);
        }
        let manifest: Self = crate::json::read(bytes)?;
        if manifest.document != MANIFEST_TYPE || manifest.format != FORMAT {
            let Self {
                document, format, ..
            } = manifest;
            return Err(DocumentError::Unknown { document, format });
        }
        manifest.check().map_err(DocumentError::Inconsistent)?;
        Ok(manifest)
    }

    /// Checks what the shape alone does not ensure. The writer calls it too.
    pub fn check(&self) -> Result<(), String> {
        if self.targets.is_empty() {
            return Err("it is for no target".to_owned());
        }
        self.check_entries()?;
        self.check_rpms()
    }

    fn check_entries(&self) -> Result<(), String> {
        check_bounds(&self.entries).map_err(|error| error.to_string())?;
        let mut seen = BTreeSet::new();
        let mut last = Section::Product;
        for entry in &self.entries {
            let path = &entry.path;
            let section = Section::of(path).filter(|section| section.is_listed());
            let section = section.ok_or_else(|| format!("`{path}` has no place in a bundle"))?;
            if section < last {
                return Err(format!("`{path}` comes too late"));
            }
            last = section;
            if !seen.insert(path) {
                return Err(format!("`{path}` is listed twice"));
            }
        }
        match self.entries.first() {
            Some(entry) if entry.path.as_str() == PRODUCT_PATH => Ok(()),
            _ => Err(format!("`{PRODUCT_PATH}` is not its first entry")),
        }
    }

    fn check_rpms(&self) -> Result<(), String> {
        let packages: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.path.is_under("packages"))
            .collect();
        if packages.len() != self.rpms.len() {
            return Err("its RPMs and its package entries do not correspond".to_owned());
        }
        for (entry, rpm) in packages.into_iter().zip(&self.rpms) {
            self.check_rpm(entry, rpm)?;
        }
        Ok(())
    }

    fn check_rpm(&self, entry: &Entry, rpm: &BundledRpm) -> Result<(), String> {
        let (nevra, path) = (&rpm.nevra, &rpm.path);
        if entry.path != *path || entry.sha256 != rpm.sha256 {
            return Err(format!("the entry of {nevra} is another file's"));
        }
        let expected = BundlePath::for_package(&rpm.sha256, path.file_name());
        if expected.ok().as_ref() != Some(path) {
            return Err(format!(
                "`{path}` is not where the RPM with digest {} belongs",
                rpm.sha256
            ));
        }
        let files = BundlePath::for_package_files(&rpm.sha256);
        if !self.entries.iter().any(|entry| entry.path == files) {
            return Err(format!("the file list of {nevra} is missing"));
        }
        if rpm.uses.is_empty() {
            return Err(format!("{nevra} has no use"));
        }
        let known = |purpose: &Use| {
            self.targets
                .iter()
                .any(|t| t.distro == purpose.distro && t.arch == purpose.arch)
                && purpose.arch.accepts(nevra.arch())
        };
        match rpm.uses.iter().find(|purpose| !known(purpose)) {
            Some(stray) => Err(format!(
                "{nevra} is for {} {}, which is no target",
                stray.distro, stray.arch
            )),
            None => Ok(()),
        }
    }

    /// Returns the RPMs of one target in one role, in upgrade order.
    pub fn rpms_for<'a>(
        &'a self,
        target: &'a Target,
        role: Role,
    ) -> impl Iterator<Item = (&'a Use, &'a BundledRpm)> {
        let mut found: Vec<(&Use, &BundledRpm)> = self
            .rpms
            .iter()
            .flat_map(|rpm| rpm.uses.iter().map(move |purpose| (purpose, rpm)))
            .filter(|(purpose, _)| {
                purpose.role == role
                    && purpose.distro == target.distro
                    && purpose.arch == target.arch
            })
            .collect();
        found.sort_by_key(|(purpose, _)| purpose.order);
        found.into_iter()
    }

    /// Returns the entry at `path`.
    #[must_use]
    pub fn entry(&self, path: &BundlePath) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == *path)
    }
}
