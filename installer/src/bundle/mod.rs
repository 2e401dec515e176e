//! Reading a bundle: bounded, in one pass, nothing believed before it is verified.

mod archive;
mod frame;
mod metadata;
mod parts;
mod stage;
mod staged;
mod staged_extra;
mod verify;

use std::path::PathBuf;

use manifests::bundle_path::BundlePath;
use manifests::contents::ContentError;
use manifests::digest::Sha256;
use manifests::format::HeaderError;
use manifests::parts::PartsError;
use manifests::trust::{CarriedError, VerifyError};

pub use archive::UntrustedBundle;
pub use parts::{BadPart, PartFault, PartsSet};
pub use stage::StagedBundle;
pub use staged::{StagedRpm, StagedRpmSet, StoredRpmError};
pub use staged_extra::{StagedExtra, StoredExtraError};
pub use verify::{OpenBundle, VerifiedMetadata};

use crate::secure_fs::FsError;

/// A bundle that is refused, and the byte-level reason.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be opened.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file cannot be read to its end.
    #[error("cannot read {}", path.display())]
    Read {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a bundle's zstd frame.
    #[error("it is not a bundle: {0}")]
    Frame(&'static str),
    /// The compressed data are damaged or end too early.
    #[error("it is damaged or incomplete: {0}")]
    Damaged(String),
    /// A header that no bundle has.
    #[error("entry {at} has an illegal header")]
    Header {
        /// Position of the entry, from 0.
        at: usize,
        /// Why.
        source: HeaderError,
    },
    /// An entry where another one belongs.
    #[error("`{found}` stands where {expected} belongs")]
    Order {
        /// What belongs there.
        expected: String,
        /// What is there.
        found: BundlePath,
    },
    /// An entry's header differs from what the signed manifest says of it.
    #[error("the header of `{0}` differs from the signed manifest")]
    HeaderMismatch(BundlePath),
    /// More than a reader takes.
    #[error("`{path}` has {size} bytes, more than the {max} a reader takes")]
    TooLarge {
        /// The entry.
        path: BundlePath,
        /// Its size.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// An entry whose bytes are not the signed ones.
    #[error("`{path}` has SHA-256 {found}, the signed manifest says {expected}")]
    Digest {
        /// The entry.
        path: BundlePath,
        /// As signed.
        expected: Sha256,
        /// As read.
        found: Sha256,
    },
    /// The manifest is not to be believed.
    #[error(transparent)]
    Untrusted(#[from] VerifyError),
    /// A carried chain of root documents that is damaged.
    #[error("its root documents are not usable")]
    CarriedRoots(#[source] CarriedError),
    /// A list of parts that is not to be believed.
    #[error("its list of parts is refused")]
    PartsList(#[source] PartsError),
    /// Parts that are bad or missing; all of them.
    #[error("{} of {of} parts are bad or missing:{}", bad.len(), listed(bad))]
    Parts {
        /// The parts.
        bad: Vec<BadPart>,
        /// How many there are.
        of: usize,
    },
    /// Good parts of another bundle than their list names.
    #[error("the bundle in the parts is not the one that their list names")]
    OtherBundle,
    /// A signed document that cannot be used.
    #[error("`{path}` is not usable: {reason}")]
    Document {
        /// The entry.
        path: BundlePath,
        /// Why.
        reason: String,
    },
    /// A signed document that does not go with its manifest.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Made for a newer installer.
    #[error("it needs installer {needed} or newer; this is {own}")]
    InstallerTooOld {
        /// As the manifest says.
        needed: semver::Version,
        /// This build.
        own: semver::Version,
    },
}

fn listed(bad: &[BadPart]) -> String {
    let lines: Vec<String> = bad.iter().map(ToString::to_string).collect();
    format!("\n  {}", lines.join("\n  "))
}
