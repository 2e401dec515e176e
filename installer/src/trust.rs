//! The trust roots that this host's administrator enrolled.

use std::fs::File;
use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use manifests::limits::TRUST_DOCUMENT_MAX_BYTES;
use manifests::trust::{RootError, TrustRoot};

use crate::layout::Layout;
use crate::secure_fs::{self, FsError, at};

/// A trust root that cannot be read, enrolled or removed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// A place that somebody else than root could have written to.
    #[error(transparent)]
    Place(FsError),
    /// Larger than any root document.
    #[error("{} is larger than a root document can be", .0.display())]
    TooLarge(PathBuf),
    /// Not a usable root document.
    #[error("{} is not a usable root document", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RootError,
    },
    /// Changed since it was enrolled.
    #[error("{} was changed: its SHA-256 is not the fingerprint in its name", .0.display())]
    Changed(PathBuf),
}

/// Reads a root document. Reading it is not trusting it.
pub fn read(path: &Path) -> Result<(TrustRoot, Vec<u8>), TrustError> {
    let file = std::fs::File::open(path).map_err(at("open", path))?;
    read_open(file, path)
}

fn read_open(file: File, path: &Path) -> Result<(TrustRoot, Vec<u8>), TrustError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    file.take(TRUST_DOCUMENT_MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(at("read", path))?;
    if bytes.len() as u64 > TRUST_DOCUMENT_MAX_BYTES {
        return Err(TrustError::TooLarge(path.to_owned()));
    }
    let root = TrustRoot::parse(&bytes).map_err(|source| TrustError::Document {
        path: path.to_owned(),
        source,
    })?;
    Ok((root, bytes))
}

/// Returns the enrolled roots. One that was changed on disk is an error, not skipped, and so is a
/// place to which somebody else could have added one.
pub fn enrolled(layout: &Layout) -> Result<Vec<TrustRoot>, TrustError> {
    let dir = layout.trust();
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FsError::new("list", &dir, error).into()),
    };
    secure_fs::check_guarded(&dir).map_err(TrustError::Place)?;
    let mut roots = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some(fingerprint) = fingerprint_of(&path) else {
            continue;
        };
        let file = secure_fs::open_read(&path)?;
        secure_fs::check_file(&file, &path).map_err(TrustError::Place)?;
        let (root, _) = read_open(file, &path)?;
        if *root.fingerprint() != fingerprint {
            return Err(TrustError::Changed(path));
        }
        roots.push(root);
    }
    roots.sort_by_key(|root| *root.fingerprint());
    Ok(roots)
}

fn fingerprint_of(path: &Path) -> Option<Sha256> {
    path.file_name()?
        .to_str()?
        .strip_suffix(".json")?
        .parse()
        .ok()
}

fn place(layout: &Layout, fingerprint: &Sha256) -> PathBuf {
    layout.trust().join(format!("{fingerprint}.json"))
}

/// Enrols a root whose fingerprint was confirmed. The files are public: verifying needs no root.
pub fn enrol(layout: &Layout, root: &TrustRoot, bytes: &[u8]) -> Result<(), TrustError> {
    secure_fs::ensure_guarded(&layout.trust(), 0o755).map_err(TrustError::Place)?;
    Ok(secure_fs::write_atomic(
        &place(layout, root.fingerprint()),
        bytes,
        0o644,
    )?)
}

/// Removes an enrolled root.
pub fn remove(layout: &Layout, fingerprint: &Sha256) -> Result<(), TrustError> {
    Ok(secure_fs::remove_if_present(&place(layout, fingerprint))?)
}
