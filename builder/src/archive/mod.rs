//! The bundle file: writing it, and reading it as strictly as a host does.

mod extract;
mod frame;
mod read;
mod verify;
mod write;

use std::io::ErrorKind;
use std::path::PathBuf;

use manifests::bundle::DocumentError;
use manifests::bundle_path::BundlePath;
use manifests::contents::ContentError;
use manifests::format::HeaderError;
use manifests::signature::QuorumError;
use manifests::trust::{CarriedError, VerifyError};

use crate::explain::{Exit, Explain, Explained};
use crate::interrupt::Interrupted;
use crate::output::OutputError;

pub use extract::{Extraction, Selection};
pub use read::{Entries, RawManifest, read_manifest};
pub use verify::{Checked, Verified, Visitor, check, verify, verify_with};
pub use write::{rewrite, write};

/// A bundle file that cannot be written, read or believed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Cannot be opened.
    #[error("{} cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The frame is not one that a bundle has.
    #[error("it is not a bundle: {0}")]
    Frame(&'static str),
    /// The compressed data ends early or does not match its checksum.
    #[error("it is damaged or cut off: {0}")]
    Damaged(#[source] std::io::Error),
    /// A header that no bundle has.
    #[error("it is not a bundle of format 1: {0}")]
    Header(#[from] HeaderError),
    /// An entry that is not where it belongs, or not expected at all.
    #[error("entry `{found}` comes where {expected} is expected")]
    Order {
        /// The entry.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// An entry larger than readers take.
    #[error("entry `{path}` claims {size} bytes; at most {limit} are read")]
    TooLarge {
        /// The entry.
        path: BundlePath,
        /// What it claims.
        size: u64,
        /// The bound.
        limit: u64,
    },
    /// An entry whose size is not the listed one.
    #[error("entry `{0}` does not have the size that the signed manifest lists")]
    Size(BundlePath),
    /// An entry whose bytes are not the listed ones.
    #[error("entry `{0}` does not have the digest that the signed manifest lists")]
    Digest(BundlePath),
    /// An entry with another time.
    #[error("entry `{0}` does not have the time that the signed manifest names")]
    Time(BundlePath),
    /// Padding that is not zero, or bytes after the end.
    #[error("{0}")]
    Excess(&'static str),
    /// More signatures or trust documents than readers look at.
    #[error("it carries too many {0}")]
    TooMany(&'static str),
    /// The manifest is not to be believed.
    #[error(transparent)]
    Untrusted(#[from] VerifyError),
    /// The manifest cannot be read.
    #[error("its manifest is not acceptable: {0}")]
    Manifest(#[source] DocumentError),
    /// A listed document that a host would refuse.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A carried chain of root documents that is damaged.
    #[error("the carried root documents are not usable: {0}")]
    CarriedRoots(#[from] CarriedError),
    /// Asked for an entry that the bundle does not hold.
    #[error("it holds no {0}")]
    NotCarried(String),
    /// A file that changed between being checked and being written.
    #[error("{} changed while the bundle was written", .0.display())]
    Changed(PathBuf),
    /// Cannot be written.
    #[error("the bundle cannot be written: {0}")]
    Write(#[source] std::io::Error),
    /// Cannot get its name.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A signal.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for ArchiveError {
    fn exit(&self) -> Exit {
        match self {
            Self::Output(error) if error.source.kind() == ErrorKind::AlreadyExists => Exit::Usage,
            Self::Open { .. } | Self::NotCarried(_) => Exit::Usage,
            Self::Write(_) | Self::Output(_) => Exit::Internal,
            Self::Interrupted(_) => Exit::Interrupted,
            _ => Exit::Verification,
        }
    }

    fn explain(&self) -> Explained {
        let (failed, next) = match self {
            Self::Open { .. } => (
                "cannot read the bundle",
                "check the path and its permissions",
            ),
            Self::NotCarried(_) => (
                "cannot extract that; nothing was written",
                "`bundle inspect --output json` lists the entries; a directory, such as docs, means \
                 everything below it",
            ),
            Self::Output(error) if error.source.kind() == ErrorKind::AlreadyExists => (
                "cannot write there; nothing was written",
                "name another place, or move what is there away",
            ),
            Self::Write(_) | Self::Output(_) => (
                "cannot write the bundle",
                "make sure that the output directory is writable and has space for the bundle",
            ),
            Self::Changed(_) => (
                "cannot write the bundle",
                "run the command again while nothing else writes to these files",
            ),
            Self::Interrupted(_) => ("stopped", "run the same command again"),
            Self::Untrusted(VerifyError::NoTrustRoot) => (
                "cannot verify the bundle",
                "name the root document that you trust with --trust-root root.json",
            ),
            Self::Untrusted(VerifyError::Quorum(QuorumError::UnknownKeys { .. })) => (
                "the bundle is not verified",
                "if it comes from somebody else, get their root.json by another way, compare its \
                 fingerprint with them, and pass it with --trust-root",
            ),
            Self::Untrusted(VerifyError::Revoked { .. } | VerifyError::Retired { .. }) => (
                "the bundle is not verified",
                "ask whoever built it for one that is signed with a key of the newest root document",
            ),
            _ => (
                "the bundle is not verified",
                "do not use this file: copy it again from where it was built, or build it again",
            ),
        };
        let reason = match self {
            Self::Untrusted(VerifyError::Manifest(why)) => format!("{self}: {why}"),
            _ => self.to_string(),
        };
        Explained::new(failed, reason, next)
    }
}
