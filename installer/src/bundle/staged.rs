//! RPMs that may be handed to rpm: verified bytes behind open descriptors.

use std::fs::File;
use std::io;

use manifests::digest::Sha256;

use crate::layout::Layout;
use crate::secure_fs::{self, FsError};

/// One verified RPM behind an open descriptor.
///
/// A file name is not enough to make one:
///
/// ```compile_fail
/// fn forge(path: std::path::PathBuf) -> installer::bundle::StagedRpm {
///     installer::bundle::StagedRpm::from(path)
/// }
/// ```
#[derive(Debug)]
pub struct StagedRpm {
    sha256: Sha256,
    file: File,
}

/// The RPMs of one rpm transaction. [`crate::host::Host`] takes nothing else.
///
/// ```compile_fail
/// fn forge(paths: Vec<std::path::PathBuf>) -> installer::bundle::StagedRpmSet {
///     paths.into()
/// }
/// ```
#[derive(Debug)]
pub struct StagedRpmSet {
    rpms: Vec<StagedRpm>,
}

/// A stored RPM that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredRpmError {
    /// The RPM is missing or not readable.
    #[error(transparent)]
    File(#[from] FsError),
    /// The RPM cannot be hashed.
    #[error("cannot read the stored RPM {sha256}")]
    Read {
        /// The RPM.
        sha256: Sha256,
        /// Why.
        source: io::Error,
    },
    /// The RPM was changed after it was stored.
    #[error("the stored RPM {expected} was changed: its SHA-256 is now {found}")]
    Changed {
        /// The digest in the journal.
        expected: Sha256,
        /// The digest of its bytes.
        found: Sha256,
    },
}

impl StagedRpmSet {
    /// Opens stored RPMs and hashes each from its open descriptor. The digests must be those that a
    /// verified manifest or the journalled plan of an earlier run names.
    pub fn reopen(layout: &Layout, digests: &[Sha256]) -> Result<Self, StoredRpmError> {
        secure_fs::check_own(&layout.store())?;
        let open = |sha256: &Sha256| {
            let file = secure_fs::open_read(&layout.stored_rpm(sha256))?;
            let rpm = StagedRpm {
                sha256: *sha256,
                file,
            };
            rpm.check()?;
            Ok(rpm)
        };
        Ok(Self {
            rpms: digests
                .iter()
                .map(open)
                .collect::<Result<_, StoredRpmError>>()?,
        })
    }

    /// Hashes every RPM again from its open descriptor. This is the last check before rpm reads it.
    pub fn check(&self) -> Result<(), StoredRpmError> {
        self.rpms.iter().try_for_each(StagedRpm::check)
    }

    /// Returns the RPMs.
    #[must_use]
    pub fn rpms(&self) -> &[StagedRpm] {
        &self.rpms
    }
}

impl StagedRpm {
    /// Returns the RPM's digest.
    #[must_use]
    pub const fn sha256(&self) -> &Sha256 {
        &self.sha256
    }

    /// Returns the open descriptor.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    fn check(&self) -> Result<(), StoredRpmError> {
        let found = secure_fs::hash_whole(&self.file);
        let (_, found) = found.map_err(|source| StoredRpmError::Read {
            sha256: self.sha256,
            source,
        })?;
        if found == self.sha256 {
            return Ok(());
        }
        Err(StoredRpmError::Changed {
            expected: self.sha256,
            found,
        })
    }
}
