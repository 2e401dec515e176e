//! Why a step failed. The words are made where the journal, the listener and the report need them.

use crate::backup::blobs::BlobError;
use crate::backup::capture::CaptureError;
use crate::backup::restore::RestoreError;
use crate::bundle::{StoredExtraError, StoredRpmError};
use crate::document::ReadError;
use crate::failure::chain;
use crate::host::HostError;
use crate::journal::JournalError;
use crate::secure_fs::FsError;
use crate::stores::StoreError;

/// Why a step, or the run around it, failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The host could not be queried or changed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// An RPM of the store cannot be used.
    #[error(transparent)]
    Rpm(#[from] StoredRpmError),
    /// A stored file that belongs beside packages cannot be used.
    #[error(transparent)]
    Extra(#[from] StoredExtraError),
    /// A saved content cannot be used.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The state of files cannot be saved.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Files cannot be put back.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The journal cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A data store cannot be dumped or restored.
    #[error("{}; {}", .0, .0.next)]
    Store(#[from] StoreError),
    /// A document cannot be made.
    #[error(transparent)]
    Encoding(#[from] serde_json::Error),
    /// A document of this run, or of the run that is undone, cannot be read or written.
    #[error(transparent)]
    Document(#[from] ReadError),
    /// Something is missing that an earlier step, or the undone run, should have left.
    #[error("{0}")]
    Missing(String),
    /// Data are not replaced: a person decides about them.
    #[error("{0}")]
    LeftToPerson(String),
    /// Another rpm did not finish in time.
    #[error("rpm's database is locked by {holder} (waited {waited_secs} s)")]
    RpmBusy {
        /// The process that holds the lock.
        holder: String,
        /// How long the run waited.
        waited_secs: u64,
    },
    /// rpm did not do what it was asked.
    #[error("{0}")]
    Rejected(String),
    /// The host differs from the expected state.
    #[error("{0}")]
    Differs(String),
    /// The space for a revert cannot be reserved.
    #[error("the space for a revert cannot be reserved")]
    Room(#[source] ReadError),
    /// A log cannot be opened.
    #[error("cannot open a log")]
    Log(#[source] std::io::Error),
    /// The run was asked to stop.
    #[error("the run was told to stop by a signal")]
    Stopped,
    /// Several things failed.
    #[error("{}", .0.iter().map(|error| chain(error)).collect::<Vec<_>>().join("; "))]
    Several(Vec<Self>),
}

impl StepError {
    /// Whether everything was done and looked at, and the host differs all the same.
    pub(super) fn is_difference(&self) -> bool {
        match self {
            Self::Differs(_) | Self::Restore(RestoreError::Different { .. }) => true,
            Self::Several(all) => all.iter().all(Self::is_difference),
            _ => false,
        }
    }

    /// Joins several errors into one; returns nothing if the list is empty.
    pub(super) fn all(errors: Vec<Self>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(Self::Several(errors))
    }
}

/// Fails because the host differs from the expected state.
pub(super) const fn differs<T>(how: String) -> Result<T, StepError> {
    Err(StepError::Differs(how))
}
