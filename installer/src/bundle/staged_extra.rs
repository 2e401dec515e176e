//! Extras (files beside packages) that may be written to the host: verified bytes behind an open
//! descriptor.

use std::fs::File;
use std::io;

use manifests::digest::Sha256;

use crate::layout::Layout;
use crate::secure_fs::{self, FsError};

/// One verified file. Only its descriptor is read when the file is written to the host:
///
/// ```compile_fail
/// fn forge(file: std::fs::File) -> installer::bundle::StagedExtra {
///     file.into()
/// }
/// ```
#[derive(Debug)]
pub struct StagedExtra {
    file: File,
}

/// A stored file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredExtraError {
    /// The file is missing or not readable.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file cannot be hashed.
    #[error("cannot read the stored file {sha256}")]
    Read {
        /// The file.
        sha256: Sha256,
        /// Why.
        source: io::Error,
    },
    /// The file was changed after it was stored.
    #[error("the stored file {expected} was changed: its SHA-256 is now {found}")]
    Changed {
        /// The digest in the journal.
        expected: Sha256,
        /// The digest of its bytes.
        found: Sha256,
    },
}

impl StagedExtra {
    /// Opens a stored file and hashes it from its open descriptor. The digest must be the one that
    /// a verified manifest or the journalled plan names.
    pub fn reopen(layout: &Layout, sha256: &Sha256) -> Result<Self, StoredExtraError> {
        secure_fs::check_own(&layout.store())?;
        let file = secure_fs::open_read(&layout.stored_extra(sha256))?;
        let (expected, found) = (*sha256, secure_fs::hash_whole(&file));
        let (_, found) = found.map_err(|source| StoredExtraError::Read {
            sha256: expected,
            source,
        })?;
        if found == expected {
            Ok(Self { file })
        } else {
            Err(StoredExtraError::Changed { expected, found })
        }
    }

    /// Returns the open descriptor, at its start.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }
}
