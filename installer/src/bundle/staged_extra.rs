//! Files beside packages that may be put on the host: verified bytes behind an open descriptor.

use std::fs::File;
use std::io;

use manifests::digest::Sha256;

use crate::layout::Layout;
use crate::secure_fs::{self, FsError};

/// One verified file. What is put on the host is read from here, and from nowhere else:
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

/// A file of the store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredExtraError {
    /// Not there, or not readable.
    #[error(transparent)]
    File(#[from] FsError),
    /// Cannot be hashed.
    #[error("cannot read the stored file {sha256}")]
    Read {
        /// The file.
        sha256: Sha256,
        /// Why.
        source: io::Error,
    },
    /// Changed since it was stored.
    #[error("the stored file {expected} was changed: its SHA-256 is now {found}")]
    Changed {
        /// As journalled.
        expected: Sha256,
        /// As read.
        found: Sha256,
    },
}

impl StagedExtra {
    /// Opens a file of the store and hashes it from its open descriptor against the digest that a
    /// verified manifest or the journalled plan gives.
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
