//! Why a bundle is refused, in the words that both programs use.

use std::io;
use std::path::PathBuf;

use super::{BadPart, PartFault};
use crate::bundle::DocumentError;
use crate::bundle_path::BundlePath;
use crate::contents::ContentError;
use crate::digest::Sha256;
use crate::format::HeaderError;
use crate::parts::PartsError;
use crate::trust::{CarriedError, VerifyError};

/// A bundle that is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read to its end.
    #[error("it cannot be read: {0}")]
    Input(io::Error),
    /// Not a bundle's zstd frame.
    #[error("it is not a bundle: {0}")]
    Frame(&'static str),
    /// The compressed data or the archive in them are damaged, end too early or go on.
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
    /// An entry's header differs from what the manifest lists.
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
    /// An entry whose bytes are not the listed ones.
    #[error("`{path}` has SHA-256 {found}, the signed manifest gives {expected}")]
    Digest {
        /// The entry.
        path: BundlePath,
        /// As listed.
        expected: Sha256,
        /// As read.
        found: Sha256,
    },
    /// The manifest is not to be believed.
    #[error(transparent)]
    Untrusted(#[from] VerifyError),
    /// An unverified manifest that is not acceptable.
    #[error("its manifest is not acceptable: {0}")]
    Manifest(DocumentError),
    /// A carried chain of root documents that is damaged.
    #[error("its root documents are not usable")]
    CarriedRoots(#[source] CarriedError),
    /// A file under `signatures/` or `trust/` that cannot be used.
    #[error("`{path}` is not usable: {reason}")]
    Document {
        /// The entry.
        path: BundlePath,
        /// Why.
        reason: String,
    },
    /// A document that does not go with its manifest.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A list of parts, or a signature over it, that cannot be read.
    #[error("cannot read {}: {fault}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: PartFault,
    },
    /// A list of parts that is not to be believed.
    #[error("the list {} is refused", path.display())]
    PartsList {
        /// The list.
        path: PathBuf,
        /// Why.
        #[source]
        fault: PartsError,
    },
    /// Parts that are bad or missing; all of them.
    #[error("bad or missing parts, {} of {of}:{}", bad.len(), listed(bad))]
    Parts {
        /// The parts.
        bad: Vec<BadPart>,
        /// How many there are.
        of: usize,
    },
    /// Good parts of another bundle than their list names.
    #[error("the bundle in the parts is not the one that their list names")]
    OtherBundle,
}

impl ReadError {
    /// Returns why no root's quorum stands behind the manifest, or behind the list of parts.
    #[must_use]
    pub const fn untrusted(&self) -> Option<&VerifyError> {
        match self {
            Self::Untrusted(why)
            | Self::PartsList {
                fault: PartsError::Untrusted(why),
                ..
            } => Some(why),
            _ => None,
        }
    }
}

fn listed(bad: &[BadPart]) -> String {
    bad.iter()
        .fold(String::new(), |all, part| format!("{all}\n{part}"))
}
