//! What can be wrong with a chain of root documents.

use std::path::PathBuf;

use manifests::signature::KeyId;
use manifests::trust::{CarriedError, ChainError, RootError};

use super::draft::DraftError;
use super::quorum::Quorum;
use crate::explain::{Exit, Explain, Explained};
use crate::output::OutputError;

/// A chain that cannot be read, used or changed.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// More files than a chain has.
    #[error("the root documents in {} are not usable: {source}", directory.display())]
    Carried {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: CarriedError,
    },
    /// A document that is damaged or does not follow.
    #[error("{}: {source}", path.display())]
    Chain {
        /// The document.
        path: PathBuf,
        /// Why.
        source: ChainError,
    },
    /// A document on its own that is not usable.
    #[error("the root document {} is not usable: {source}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RootError,
    },
    /// No document.
    #[error("there is no root document in {}", .0.display())]
    NoChain(PathBuf),
    /// Later documents without the first.
    #[error("the root documents in {} begin with version {found}, not with 1", directory.display())]
    Start {
        /// The directory.
        directory: PathBuf,
        /// The lowest version.
        found: u64,
    },
    /// A chain is there already.
    #[error("there are root documents in {} already", .0.display())]
    Exists(PathBuf),
    /// Only an unfinished first version.
    #[error(
        "root version {version} in {} is not complete: {}", directory.display(),
        quorums.iter().filter(|q| q.missing() > 0).map(Quorum::lack).collect::<Vec<_>>().join("; ")
    )]
    Incomplete {
        /// The directory.
        directory: PathBuf,
        /// The version.
        version: u64,
        /// What it needs.
        quorums: Vec<Quorum>,
    },
    /// A version that is not there to be signed.
    #[error("there is no root version in {} that waits for signatures", .0.display())]
    NothingPending(PathBuf),
    /// A version that does not follow from the others.
    #[error("root version {version} does not follow from the versions in {}", directory.display())]
    OutOfReach {
        /// The directory.
        directory: PathBuf,
        /// The version.
        version: u64,
    },
    /// A key without a role.
    #[error("key {key} is a root key neither of version {version} nor of the version before")]
    Foreign {
        /// The key.
        key: KeyId,
        /// The version to be signed.
        version: u64,
    },
    /// A change that makes no root document.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// Cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Explain for RootsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Carried { .. } | Self::Chain { .. } | Self::Document { .. } => Exit::Verification,
            Self::Output(_) => Exit::Internal,
            _ => Exit::Usage,
        }
    }

    fn explain(&self) -> Explained {
        let (failed, next) = match self {
            Self::NoChain(directory) => {
                let next = format!(
                    "copy root.N.json and root.N.<key id>.sig of your team into {}, or make the \
                     first version with `bundle root init`",
                    directory.display()
                );
                return Explained::new("cannot use the root documents", self.to_string(), next);
            }
            Self::Draft(error) => {
                let failed = "cannot draft that root document; nothing was written";
                return Explained::new(failed, self.to_string(), error.advice());
            }
            Self::Unreadable { .. } => (
                "cannot read the root documents",
                "check the path and its permissions",
            ),
            Self::Carried { .. } | Self::Chain { .. } => (
                "cannot use the root documents",
                "copy them again from another builder, a backup or the trust/ of a bundle; a draft \
                 that is not needed can be removed",
            ),
            Self::Document { .. } => (
                "cannot use the root document",
                "name a root.json, or copy it again from the builder",
            ),
            Self::Start { .. } => (
                "cannot use the root documents",
                "copy the earlier versions beside them: a chain is followed from version 1",
            ),
            Self::Exists(_) => (
                "cannot begin a chain of root documents; nothing was written",
                "change the chain with `bundle root add-key`, `rotate` or `revoke`, or name another \
                 directory with -o: hosts that trust the old chain do not trust a new one",
            ),
            Self::Incomplete { .. } => (
                "cannot use the root documents",
                "have it signed with `bundle root sign`, and copy the .sig files into that directory",
            ),
            Self::NothingPending(_) => (
                "cannot sign a root document",
                "name a document to sign again, or draft a version with `bundle root add-key`, \
                 `rotate` or `revoke`; `bundle root show` shows what is there",
            ),
            Self::OutOfReach { .. } => (
                "cannot sign a root document",
                "copy the versions before it, with their signatures, beside it",
            ),
            Self::Foreign { .. } => (
                "cannot sign a root document; nothing was written",
                "`bundle root show` lists the keys that are asked; name one of them with --key",
            ),
            Self::Output(_) => (
                "cannot write the root documents",
                "make sure that the directory is there, writable and has space",
            ),
        };
        Explained::new(failed, self.to_string(), next)
    }
}
