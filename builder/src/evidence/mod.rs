//! How a bundle describes itself, to people and to their tools: two SBOMs, provenance and the
//! review page.
//!
//! Every document is made from one value, `Facts`, and so from the lock and the checked RPMs alone:
//! the same lock gives the same bytes. Everything from a package or product is foreign text. In JSON
//! it is data; on the page it is [`review`]'s type `Shown`, which nothing else can be put into.

pub(crate) mod compare;
mod cyclonedx;
mod facts;
mod identity;
mod licence;
mod provenance;
mod purl;
pub mod review;
mod spdx;
#[cfg(test)]
mod tests;

use manifests::bundle::{BundledRpm, LintFlag};
use manifests::bundle_path::{BundlePath, BundlePathError};
use manifests::json::canonical;

use crate::explain::Exit;
use crate::installers::Installer;
use crate::lock::{Lock, LockError};
use crate::package::DownloadedRpm;

pub(crate) use facts::{Facts, Part};

/// The review page.
pub const REVIEW_PATH: &str = "docs/review.html";
/// The `CycloneDX` SBOM.
pub const CYCLONEDX_PATH: &str = "docs/sbom.cdx.json";
/// The SPDX SBOM.
pub const SPDX_PATH: &str = "docs/sbom.spdx.json";
/// The in-toto statement.
pub const PROVENANCE_PATH: &str = "docs/provenance.intoto.json";

/// Where the format of these documents is described; also names the kind of build in provenance.
const PROJECT: &str = "https://github.com/airgap-bundle/airgap-bundle";

/// Documents that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// An address that would carry a secret to every reader of the bundle.
    #[error("the address of {what} on `{host}` carries a user name or password")]
    Credential {
        /// What is there.
        what: String,
        /// The host, without the rest.
        host: String,
    },
    /// A time that no calendar has.
    #[error("the lock's time, {0} seconds since 1970, is not a date")]
    Time(u64),
    /// A lock that cannot be written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A document that cannot be written as JSON.
    #[error("a document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A page that cannot be made.
    #[error("the review page cannot be made: {0}")]
    Page(#[from] minijinja::Error),
    /// A name that no entry may have.
    #[error(transparent)]
    Path(#[from] BundlePathError),
}

impl EvidenceError {
    /// Returns how the program ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Credential { .. } | Self::Time(_) => Exit::Usage,
            _ => Exit::Internal,
        }
    }

    /// Returns what to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Credential { .. } => {
                "remove the user name and password from the address: a bundle and its lock are \
                 read by many"
            }
            Self::Time(_) => "set SOURCE_DATE_EPOCH to seconds since 1970, or build anew",
            _ => "this is a bug: please report it with the lock",
        }
    }
}

/// Writes every document of a bundle.
pub fn documents(
    lock: &Lock,
    bundled: &[BundledRpm],
    rpms: &[DownloadedRpm],
    installers: &[Installer],
) -> Result<Vec<(BundlePath, Vec<u8>)>, EvidenceError> {
    write_all(&Facts::collect(lock, bundled, rpms, installers)?)
}

fn write_all(facts: &Facts<'_>) -> Result<Vec<(BundlePath, Vec<u8>)>, EvidenceError> {
    Ok(vec![
        (REVIEW_PATH.parse()?, review::page(facts)?),
        (CYCLONEDX_PATH.parse()?, canonical(&cyclonedx::bom(facts)?)?),
        (SPDX_PATH.parse()?, canonical(&spdx::document(facts)?)?),
        (
            PROVENANCE_PATH.parse()?,
            canonical(&provenance::statement(facts))?,
        ),
    ])
}

/// Explains a flag in a line.
#[must_use]
pub const fn lint(flag: LintFlag) -> &'static str {
    match flag {
        LintFlag::PayloadNotForEl7 => "its compression is unknown to rpm 4.11: refused before EL8",
        LintFlag::NoSha256Header => "no SHA-256 header digest: refused in FIPS mode",
        LintFlag::NoPayloadDigest => {
            "no payload digest: its files were checked one by one; refused in FIPS mode"
        }
        LintFlag::Md5FileDigests => "file digests are MD5: refused in FIPS mode",
        LintFlag::Sha1Signature => "the package signature uses SHA-1: refused by EL9",
        LintFlag::Unsigned => {
            "NOT SIGNED; carried because the build was asked to, and refused by the installer"
        }
    }
}
