//! A bundle file, or the parts of one, opened and not verified yet.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use manifests::reader::{Entries, ReadError};
use manifests::trust::{TrustRoot, VerifyError};

use super::medium::Disk;
use super::{BundleError, PartsSet};
use crate::secure_fs;

/// A file that claims to be a bundle. Nothing in it is trusted yet.
pub struct UntrustedBundle {
    pub(super) entries: Entries<Box<dyn Read>>,
    pub(super) parts: Option<PartsSet>,
}

impl std::fmt::Debug for UntrustedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UntrustedBundle")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl UntrustedBundle {
    /// Opens a bundle file and checks its frame header.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        // The operator may name a symlink. Only the bytes of this one open file count.
        let file = File::open(path).map_err(secure_fs::at("open", path))?;
        Ok(Self {
            entries: Entries::open(Box::new(file) as Box<dyn Read>)?,
            parts: None,
        })
    }

    /// Verifies a list of parts, and opens the bundle in them in place: each part is searched in
    /// `more`, then beside the list. The list only proves that a trusted signer split these parts.
    /// The manifest is verified as for a whole bundle.
    pub fn open_parts(
        list: &Path,
        more: &[PathBuf],
        roots: &[TrustRoot],
    ) -> Result<Self, BundleError> {
        let set = PartsSet::open(Disk, list, more, roots)?;
        set.check_presence()?;
        let entries = Entries::open(Box::new(set.reader()) as Box<dyn Read>);
        Ok(Self {
            entries: entries.map_err(|error| blame(Some(&set), error.into()))?,
            parts: Some(set),
        })
    }
}

/// Replaces an error by the damaged parts that explain it. Every part is hashed, and the damaged
/// ones are named.
pub(super) fn blame(parts: Option<&PartsSet>, error: BundleError) -> BundleError {
    let is_of_bytes = match &error {
        BundleError::Refused(ReadError::Untrusted(VerifyError::NoTrustRoot)) => false,
        error => matches!(error, BundleError::Refused(_)),
    };
    match parts
        .filter(|_| is_of_bytes)
        .map(|set| set.reader().finish())
    {
        Some(Err(named)) => named.into(),
        _ => error,
    }
}
