//! Staging verifies every payload byte, and keeps the RPMs and extras that this host needs in the
//! store.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use manifests::bundle::Entry;
use manifests::digest::Sha256;

use super::{BundleError, OpenBundle, StagedRpmSet, StoredRpmError, VerifiedMetadata};
use crate::layout::Layout;
use crate::secure_fs::{self, FsError};

/// A bundle whose every byte was verified and whose files for this host are in the store.
///
/// Only [`OpenBundle::stage`] makes one; a path is not enough:
///
/// ```compile_fail
/// fn forge(path: std::path::PathBuf) -> installer::bundle::StagedBundle {
///     path.into()
/// }
/// ```
#[derive(Debug)]
pub struct StagedBundle {
    metadata: VerifiedMetadata,
}

impl OpenBundle {
    /// Reads the payload to its end, keeping the RPMs and extras whose digests are in `wanted`.
    ///
    /// A file gets its name in the store only after its bytes were verified and synced. A file that
    /// is there already is hashed again, and replaced if it differs.
    pub fn stage(
        mut self,
        layout: &Layout,
        wanted: &BTreeSet<Sha256>,
    ) -> Result<StagedBundle, BundleError> {
        let kept = self.keep_wanted(layout, wanted);
        kept.map_err(|error| self.blamed(error))?;
        secure_fs::sync_dir(&layout.store())?;
        Ok(StagedBundle {
            metadata: self.metadata,
        })
    }

    fn keep_wanted(
        &mut self,
        layout: &Layout,
        wanted: &BTreeSet<Sha256>,
    ) -> Result<(), BundleError> {
        while let Some(entry) = self.next_payload()? {
            let is_wanted = wanted.contains(&entry.sha256);
            if is_wanted && entry.path.is_under("packages") {
                self.keep(&layout.stored_rpm(&entry.sha256), &entry)?;
            } else if is_wanted && entry.path.is_under("extras") {
                self.keep(&layout.stored_extra(&entry.sha256), &entry)?;
            } else {
                self.skip(&entry)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, path: &Path, entry: &Entry) -> Result<(), BundleError> {
        let pending = path.with_extension("partial");
        secure_fs::remove_if_present(&pending)?;
        let mut file = secure_fs::create_new(&pending, 0o600)?;
        let stored = self
            .payload
            .copy(entry, &mut |piece| {
                let written = file.write_all(piece);
                written.map_err(|error| FsError::new("write to", &pending, error).into())
            })
            .and_then(|()| sync(&file, &pending).map_err(BundleError::from))
            .and_then(|()| secure_fs::rename(&pending, path).map_err(BundleError::from));
        if stored.is_err() {
            secure_fs::remove_if_present(&pending)?;
        }
        stored
    }
}

fn sync(file: &File, path: &Path) -> Result<(), FsError> {
    file.sync_all().map_err(secure_fs::at("sync", path))
}

impl StagedBundle {
    /// Returns the verified metadata.
    #[must_use]
    pub const fn metadata(&self) -> &VerifiedMetadata {
        &self.metadata
    }

    /// Opens the staged RPMs of these digests, in this order.
    pub fn rpm_set(
        &self,
        layout: &Layout,
        digests: &[Sha256],
    ) -> Result<StagedRpmSet, StoredRpmError> {
        StagedRpmSet::reopen(layout, digests)
    }
}
