//! The trust roots that this host's administrator enrolled, and their successors.
//!
//! `FINGERPRINT.json` is a document that a person confirmed. The versions that followed lie beside
//! it: `FINGERPRINT.root.N.json` with `FINGERPRINT.root.N.<key id>.sig`. Each reading verifies the
//! chain again, from the confirmed document on.

mod kin;
mod learned;
pub mod sequence;
#[cfg(test)]
pub(crate) mod test_keys;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use manifests::limits::TRUST_DOCUMENT_MAX_BYTES;
use manifests::trust::{CarriedTrust, RootError, RootFile, TrustRoot};

use crate::layout::Layout;
use crate::secure_fs::{self, FsError, at};

pub use kin::{is_akin, is_older};
pub use learned::Learned;

/// A trust root that cannot be read, enrolled or removed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// A user other than root could have written to this place.
    #[error(transparent)]
    Place(FsError),
    /// The file is larger than any root document.
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
    /// The file changed since it was enrolled.
    #[error("{} was changed: its SHA-256 is not the fingerprint in its name", .0.display())]
    Changed(PathBuf),
    /// A remembered successor no longer follows.
    #[error(
        "the remembered root documents after {anchor} are damaged: version {version} does not follow"
    )]
    BrokenChain {
        /// The enrolled document.
        anchor: Sha256,
        /// The first version that does not follow.
        version: u64,
    },
}

/// Reads a root document. Reading does not make it trusted.
pub fn read(path: &Path) -> Result<(TrustRoot, Vec<u8>), TrustError> {
    parse(
        path,
        read_bounded(open_any(path)?, path, TRUST_DOCUMENT_MAX_BYTES)?,
    )
}

fn parse(path: &Path, bytes: Vec<u8>) -> Result<(TrustRoot, Vec<u8>), TrustError> {
    let root = TrustRoot::parse(&bytes).map_err(|source| TrustError::Document {
        path: path.to_owned(),
        source,
    })?;
    Ok((root, bytes))
}

/// Opens a file from outside, such as one on a USB stick.
fn open_any(path: &Path) -> Result<File, TrustError> {
    Ok(File::open(path).map_err(at("open", path))?)
}

/// Opens a file of the trust directory, which only root may have written.
fn open_own(path: &Path) -> Result<File, TrustError> {
    let file = secure_fs::open_read(path)?;
    secure_fs::check_file(&file, path).map_err(TrustError::Place)?;
    Ok(file)
}

fn read_bounded(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, TrustError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(at("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(TrustError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Returns the newest root of every enrolled chain. An older version of another enrolled root, which
/// an interrupted enrolment leaves, does not count: its keys may be revoked since.
pub fn enrolled(layout: &Layout) -> Result<Vec<TrustRoot>, TrustError> {
    let mut roots = all(layout)?;
    let all = roots.clone();
    roots.retain(|old| !all.iter().any(|new| is_older(old, new)));
    Ok(roots)
}

/// Returns all of them. A changed document is an error and is not skipped. A place where another
/// user could have added a document is an error too.
pub fn all(layout: &Layout) -> Result<Vec<TrustRoot>, TrustError> {
    let dir = layout.trust();
    match dir.symlink_metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FsError::new("look at", &dir, error).into()),
    }
    secure_fs::check_guarded(&dir).map_err(TrustError::Place)?;
    let names = names(&dir)?;
    let mut roots = Vec::new();
    for name in &names {
        let Some(anchor) = name.strip_suffix(".json").and_then(|f| f.parse().ok()) else {
            continue;
        };
        let path = place(layout, &anchor);
        let bytes = read_bounded(open_own(&path)?, &path, TRUST_DOCUMENT_MAX_BYTES)?;
        let (root, _) = parse(&path, bytes)?;
        if *root.fingerprint() != anchor {
            return Err(TrustError::Changed(path));
        }
        let chain = read_chain(&dir, &format!("{anchor}."), &names, open_own)?;
        let (newest, _) = chain.follow(&root);
        if let Some((&version, _)) = chain.roots().range(newest.document().version + 1..).next() {
            return Err(TrustError::BrokenChain { anchor, version });
        }
        roots.push(newest);
    }
    roots.sort_by_key(|root| *root.anchor());
    Ok(roots)
}

/// Returns the sorted names in a directory; none if it does not exist.
fn names(dir: &Path) -> Result<Vec<String>, TrustError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FsError::new("list", dir, error).into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A list that ends early would bring back an older version.
        let entry = entry.map_err(at("list", dir))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Reads the files of a chain with a common prefix in a directory. An interrupted
/// [`Learned::remember`] leaves signatures without their document; they are ignored.
fn read_chain(
    dir: &Path,
    prefix: &str,
    names: &[String],
    open: fn(&Path) -> Result<File, TrustError>,
) -> Result<CarriedTrust, TrustError> {
    let files = || {
        let files = names.iter().filter_map(|name| name.strip_prefix(prefix));
        files.filter_map(RootFile::parse)
    };
    let has_document = |version| files().any(|file| file == RootFile::Document { version });
    let mut chain = CarriedTrust::default();
    for file in files() {
        let (RootFile::Document { version } | RootFile::Signature { version, .. }) = &file;
        if !has_document(*version) {
            continue;
        }
        let path = dir.join(format!("{prefix}{file}"));
        let bytes = read_bounded(open(&path)?, &path, file.limit())?;
        chain
            .add(file, bytes)
            .map_err(|_| TrustError::TooLarge(path))?;
    }
    Ok(chain)
}

/// Reads the chain beside a root document from outside.
pub fn chain_beside(path: &Path) -> Result<CarriedTrust, TrustError> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    read_chain(dir, "", &names(dir)?, open_any)
}

fn place(layout: &Layout, anchor: &Sha256) -> PathBuf {
    layout.trust().join(format!("{anchor}.json"))
}

/// Whether a document with this fingerprint was enrolled, damaged or not.
#[must_use]
pub fn is_enrolled(layout: &Layout, anchor: &Sha256) -> bool {
    place(layout, anchor).symlink_metadata().is_ok()
}

/// Enrols a root whose fingerprint was confirmed. The files are readable by all, because verifying
/// needs no root user.
pub fn enrol(layout: &Layout, root: &TrustRoot, bytes: &[u8]) -> Result<(), TrustError> {
    secure_fs::ensure_guarded(&layout.trust(), 0o755).map_err(TrustError::Place)?;
    Ok(secure_fs::write_atomic(
        &place(layout, root.fingerprint()),
        bytes,
        0o644,
    )?)
}

/// Removes an enrolled root and its successors. The confirmed document goes first, because without
/// it the rest of the chain is ignored.
pub fn remove(layout: &Layout, anchor: &Sha256) -> Result<(), TrustError> {
    let dir = layout.trust();
    secure_fs::remove_if_present(&place(layout, anchor))?;
    let prefix = format!("{anchor}.root.");
    for name in names(&dir)?.iter().filter(|n| n.starts_with(&prefix)) {
        secure_fs::remove_if_present(&dir.join(name))?;
    }
    Ok(())
}
