//! The lock: every input of a build, so that the same lock gives the same bytes.

mod earlier;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use manifests::limits::PAYLOAD_MAX_BYTES;
use manifests::nevra::{Arch, Nevra};
use manifests::product::ProductManifest;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::explain::{Exit, Explain, Explained};
use crate::extras::LockedExtra;
use crate::hosts::LockedHost;
use crate::plan::BuildPlan;
use crate::repo::vendor_keys::{self, Accepted, CarriedKey};

pub use earlier::Earlier;

/// The type a lock names.
pub const LOCK_TYPE: &str = "airgap-bundle/lock/1";
const LOCK_FAMILY: &str = "airgap-bundle/lock/";
const LOCK_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Every input of a build but the signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Always [`LOCK_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The builder that wrote it; another one's bytes may differ.
    pub tool_version: Version,
    /// The bundle's sequence.
    pub sequence: u64,
    /// The time of every entry, seconds since 1970.
    pub timestamp: u64,
    /// What to fetch.
    pub plan: BuildPlan,
    /// The RPMs that were fetched, in the order of the plan.
    pub rpms: Vec<LockedRpm>,
    /// The product manifest, whole, so that a lock needs no other file.
    pub product: ProductManifest,
    /// The digest of its canonical form: the bundle's `product.json`.
    pub product_sha256: Sha256,
    /// The package keys.
    pub package_keys: Vec<CarriedKey>,
    /// Fingerprints that were accepted on the command line.
    pub trusted_vendor_keys: Vec<Accepted>,
    /// Packages that were allowed to lack a strong signature.
    pub accepted_unsigned: Vec<String>,
    /// The carried installers; target architectures without an entry go without.
    pub installers: Vec<LockedInstaller>,
    /// The carried files beside packages.
    #[serde(default)]
    pub extras: Vec<LockedExtra>,
    /// The hosts it was built for, if they were known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<LockedHost>,
}

/// An RPM by what it was when it was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRpm {
    /// The package.
    pub nevra: Nevra,
    /// The SHA-256 of the file.
    pub sha256: Sha256,
}

/// An installer by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedInstaller {
    /// The machine it runs on.
    pub arch: Arch,
    /// The SHA-256 of the file.
    pub sha256: Sha256,
}

/// A lock that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Cannot be read.
    #[error("the lock {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Not a lock.
    #[error("{} is not a lock of type {LOCK_TYPE}: {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An earlier lock at the place of the new one, without a readable sequence.
    #[error("the earlier lock {} does not give its sequence: {reason}", path.display())]
    Earlier {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Written by another version.
    #[error("the lock was written by version {lock} and this is version {own}: bytes may differ")]
    ToolVersion {
        /// In the lock.
        lock: Version,
        /// This build's.
        own: Version,
    },
    /// Cannot be expressed as JSON.
    #[error("the lock cannot be written: {0}")]
    Json(#[source] serde_json::Error),
}

impl Explain for LockError {
    fn exit(&self) -> Exit {
        match self {
            Self::Json(_) => Exit::Internal,
            _ => Exit::Usage,
        }
    }

    fn explain(&self) -> Explained {
        let next = match self {
            Self::Unreadable { .. } | Self::Shape { .. } => {
                "name the .lock.json file that a build wrote beside its bundle".to_owned()
            }
            Self::Earlier { .. } => {
                "hosts refuse a bundle whose sequence falls back: name one above \
                                     every earlier bundle's with --sequence N, or restore the \
                                     file"
                    .to_owned()
            }
            Self::ToolVersion { lock, .. } => format!(
                "use version {lock} of `bundle` for the same bytes, or build anew without --locked"
            ),
            Self::Json(_) => "this is a bug: please report it".to_owned(),
        };
        Explained::new("cannot use the lock", self.to_string(), next)
    }
}

/// Returns the version of this program.
#[must_use]
pub fn tool_version() -> Version {
    // The manifest's version is checked by cargo.
    env!("CARGO_PKG_VERSION")
        .parse()
        .unwrap_or_else(|_| Version::new(0, 0, 0))
}

impl Lock {
    /// Reads a lock for `--locked`.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let lock = Self::read_any_version(path)?;
        let own = tool_version();
        if lock.tool_version != own {
            let lock = lock.tool_version;
            return Err(LockError::ToolVersion { lock, own });
        }
        Ok(lock)
    }

    fn read_any_version(path: &Path) -> Result<Self, LockError> {
        let bytes = read_file(path).map_err(|source| LockError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let shape = |reason: String| LockError::Shape {
            path: path.to_owned(),
            reason,
        };
        let lock: Self = serde_json::from_slice(&bytes).map_err(|e| shape(e.to_string()))?;
        lock.check().map_err(shape)?;
        Ok(lock)
    }

    fn check(&self) -> Result<(), String> {
        if self.document != LOCK_TYPE {
            return Err(format!("its type is `{}`", self.document));
        }
        let planned = self.plan.packages.iter().map(|package| &package.nevra);
        if !planned.eq(self.rpms.iter().map(|rpm| &rpm.nevra)) {
            return Err("its plan and its RPMs do not correspond".to_owned());
        }
        if let Some(large) = self
            .plan
            .packages
            .iter()
            .find(|p| p.size > PAYLOAD_MAX_BYTES)
        {
            return Err(format!("{} is larger than a bundle can hold", large.nevra));
        }
        let check = self.product.check();
        check.map_err(|error| format!("its product manifest is not usable: {error}"))?;
        let (plan, product) = (&self.plan, &self.product);
        if plan.product != product.name || plan.channel != product.channel {
            return Err("its plan is another product's or channel's".to_owned());
        }
        vendor_keys::check_carried(product, &self.package_keys, &self.trusted_vendor_keys)?;
        let product = manifests::json::canonical(&self.product).map_err(|e| e.to_string())?;
        if Sha256::of(&product) != self.product_sha256 {
            return Err("its product manifest is not the one whose digest it names".to_owned());
        }
        Ok(())
    }

    /// Returns the canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LockError> {
        manifests::json::canonical(self).map_err(LockError::Json)
    }
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LOCK_MAX_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
