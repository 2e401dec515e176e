//! One RPM: from a received file to a [`DownloadedRpm`], the only value a bundle is made from.
//!
//! The order of the checks in [`check`] is the order of trust: identity and signature of the
//! header first, then every statement of the signed header about the payload.

mod files;
mod header;
mod index;
mod lint;
mod payload;
mod shape;
mod signature;

use std::path::{Path, PathBuf};

use manifests::bundle::{HeaderDigests, LintFlag};
use manifests::cpio::CpioError;
use manifests::digest::Sha256;
use manifests::package_files::PackageFiles;

use crate::download::ReceivedFile;
use crate::explain::{Exit, Explain, Explained};
use crate::plan::PlannedPackage;
use crate::repo::openpgp::{Fingerprint, SignatureError, TrustedKeys};

/// An RPM whose bytes, identity and package signature were checked.
///
/// [`check`] is its only constructor:
///
/// ```compile_fail
/// let forged = builder::package::DownloadedRpm::default();
/// ```
/// ```compile_fail
/// let forged: builder::package::DownloadedRpm = serde_json::from_str("{}").unwrap();
/// ```
/// ```compile_fail
/// fn twice(rpm: builder::package::DownloadedRpm) -> (builder::package::DownloadedRpm, builder::package::DownloadedRpm) {
///     (rpm.clone(), rpm)
/// }
/// ```
#[derive(Debug)]
pub struct DownloadedRpm {
    planned: PlannedPackage,
    path: PathBuf,
    sha256: Sha256,
    build_time: u64,
    signer: Option<Fingerprint>,
    header: HeaderDigests,
    lint: Vec<LintFlag>,
    files: PackageFiles,
}

/// An RPM that is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Not an RPM, or one that is cut off.
    #[error("it is not a readable RPM: {0}")]
    Unreadable(String),
    /// A header that different readers take for different things.
    #[error("different readers would see different packages: {0}")]
    Header(String),
    /// Another package than the metadata names.
    #[error("its header names {found} and the signed metadata {expected}")]
    Identity {
        /// In the metadata.
        expected: String,
        /// In the header.
        found: String,
    },
    /// No header signature.
    #[error("it carries no package signature")]
    Unsigned,
    /// A package signature that does not count.
    #[error("its package signature is not acceptable: {0}")]
    Signature(#[source] SignatureError),
    /// A digest in the RPM that its own bytes contradict.
    #[error("its {what} digest does not match its content")]
    Digest {
        /// Which digest.
        what: String,
    },
    /// An archive that is not the one the header describes.
    #[error("its payload is not the one that its header describes: {0}")]
    Payload(String),
    /// Nothing strong covers the payload.
    #[error("no SHA-256 digest covers its payload")]
    NoPayloadDigest,
}

impl From<CpioError> for PackageError {
    fn from(error: CpioError) -> Self {
        Self::Payload(match error {
            CpioError::Copy(error) => error.to_string(),
            form @ CpioError::Form(_) => form.to_string(),
        })
    }
}

impl Explain for PackageError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable(_) => Exit::Internal,
            _ => Exit::Verification,
        }
    }

    fn explain(&self) -> Explained {
        let next = match self {
            Self::Unsigned | Self::NoPayloadDigest => {
                "ask the vendor for a properly signed package; if you must carry it as it is, name \
                 it with --accept-unsigned-package NAME"
            }
            Self::Signature(SignatureError::WeakHash(_)) => {
                "ask the vendor for a package signed with SHA-256; if you must carry it as it is, \
                 name it with --accept-unsigned-package NAME"
            }
            Self::Signature(SignatureError::UnknownKey(_)) => {
                "if the vendor signs with a new key, get it from the vendor, pass it with \
                 --package-key FILE and accept its fingerprint with --trust-vendor-key"
            }
            Self::Unreadable(_) => "report to the vendor that the repository carries a broken file",
            _ => "do not use this package, and report it to the vendor",
        };
        Explained::new("cannot use the package", self.to_string(), next)
    }
}

/// Against what a package is checked.
#[derive(Debug, Clone, Copy)]
pub struct Requirements<'a> {
    /// Pinned package keys.
    pub keys: &'a TrustedKeys,
    /// Names of packages that may lack a strong signature because the user accepts them so.
    pub accept_unsigned: &'a [String],
}

/// Checks a received file.
///
/// 1. The header names the planned package.
/// 2. The exact header bytes carry a pinned key's signature, and no signature is wrong.
/// 3. The header digests agree.
/// 4. The payload is the one the header describes: by its digest, else file by file.
pub fn check(
    planned: PlannedPackage,
    received: &ReceivedFile,
    requirements: Requirements<'_>,
) -> Result<DownloadedRpm, PackageError> {
    let path = received.path();
    let header = header::read(path)?;
    let found = header.nevra()?;
    // rpm's order takes 1.0 and 1.00 for equal; identities are compared as text.
    if found.to_string() != planned.nevra.to_string() {
        return Err(PackageError::Identity {
            expected: planned.nevra.to_string(),
            found: found.to_string(),
        });
    }
    let lenient = requirements
        .accept_unsigned
        .iter()
        .any(|name| name == planned.nevra.name());
    let signed = signature::check(path, &header, requirements.keys, lenient)?;
    header.check_digests()?;
    payload::check(path, &header, lenient)?;
    let files = files::describe(&header, received.sha256(), found)?;
    let digests = header.digests();
    Ok(DownloadedRpm {
        lint: lint::flags(&digests, &files, signed.as_ref()),
        path: path.to_owned(),
        sha256: received.sha256(),
        build_time: header.build_time()?,
        signer: signed.map(|signed| signed.fingerprint),
        header: digests,
        files,
        planned,
    })
}

/// An RPM's statements about itself, unverified: for display, never for a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The digests it carries.
    pub header: HeaderDigests,
    /// Its files, dependencies and scriptlets.
    pub files: PackageFiles,
    /// What a host may trip over.
    pub lint: Vec<LintFlag>,
}

/// Reads the RPM at `path`, whose SHA-256 is `sha256`. Its parts must agree with each other; its
/// identity and its package signature are not looked at, which is what [`check`] is for.
pub fn describe(path: &Path, sha256: Sha256) -> Result<Described, PackageError> {
    let header = header::read(path)?;
    let files = files::describe(&header, sha256, header.nevra()?)?;
    header.check_digests()?;
    payload::check(path, &header, true)?;
    let digests = header.digests();
    Ok(Described {
        lint: lint::flags(&digests, &files, None),
        header: digests,
        files,
    })
}

impl DownloadedRpm {
    /// Returns the package as planned.
    #[must_use]
    pub const fn planned(&self) -> &PlannedPackage {
        &self.planned
    }

    /// Returns where its bytes are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its SHA-256.
    #[must_use]
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Returns its header's build time, seconds since 1970.
    #[must_use]
    pub const fn build_time(&self) -> u64 {
        self.build_time
    }

    /// Returns the key that signed it; nothing for one that was accepted unsigned.
    #[must_use]
    pub const fn signer(&self) -> Option<&Fingerprint> {
        self.signer.as_ref()
    }

    /// Returns the digests it carries.
    #[must_use]
    pub const fn header_digests(&self) -> &HeaderDigests {
        &self.header
    }

    /// Returns what a host may trip over.
    #[must_use]
    pub fn lint(&self) -> &[LintFlag] {
        &self.lint
    }

    /// Returns its files, dependencies and scriptlets.
    #[must_use]
    pub const fn files(&self) -> &PackageFiles {
        &self.files
    }
}

#[cfg(test)]
mod tests;
