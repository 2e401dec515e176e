//! Bundles on this host: opens, verifies and stages them with the reader that both programs share.

mod archive;
mod medium;
mod stage;
mod staged;
mod staged_extra;
mod verify;

use manifests::reader::ReadError;

pub use archive::UntrustedBundle;
pub use medium::Disk;
pub use stage::StagedBundle;
pub use staged::{StagedRpm, StagedRpmSet, StoredRpmError};
pub use staged_extra::{StagedExtra, StoredExtraError};
pub use verify::{OpenBundle, VerifiedMetadata};

use crate::secure_fs::FsError;

/// A verified list of parts on this host.
pub type PartsSet = manifests::reader::PartsSet<Disk>;

/// A bundle that is refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be opened, or a staged one cannot be written.
    #[error(transparent)]
    File(#[from] FsError),
    /// The reader refuses its bytes.
    #[error(transparent)]
    Refused(#[from] ReadError),
    /// The bundle needs a newer installer.
    #[error("it needs installer {needed} or newer; this is {own}")]
    InstallerTooOld {
        /// The version that the manifest names.
        needed: semver::Version,
        /// The version of this build.
        own: semver::Version,
    },
}
