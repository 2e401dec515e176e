//! Taking a snapshot.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use walkdir::WalkDir;

use super::blobs::{BlobError, Blobs};
use super::snapshot::{Entry, Kind, Snapshot};
use crate::layout::Layout;
use crate::secure_fs::{self, FsError, at};

/// A tree that cannot be captured whole.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A content cannot be read or stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// A directory cannot be listed.
    #[error("cannot list {path}")]
    Walk {
        /// The root of the tree.
        path: String,
        /// Why.
        source: walkdir::Error,
    },
    /// A name that cannot be written into the snapshot.
    #[error("{0} has a name that is not UTF-8")]
    Name(String),
    /// A file changed while it was read, twice in a row.
    #[error("{0} keeps changing while it is read")]
    Unstable(String),
}

/// Captures `roots` without following symlinks. A root that does not exist is captured as absent.
pub fn capture(
    layout: &Layout,
    blobs: &Blobs,
    roots: &[String],
    excluded: &[String],
) -> Result<Snapshot, CaptureError> {
    let mut snapshot = Snapshot::new(roots.to_vec(), excluded.to_vec());
    for root in roots {
        let base = layout.at(root);
        if base.symlink_metadata().is_err() {
            continue;
        }
        for found in WalkDir::new(&base).sort_by_file_name() {
            let found = found.map_err(|source| CaptureError::Walk {
                path: root.clone(),
                source,
            })?;
            let below = found.path().strip_prefix(&base).unwrap_or(Path::new(""));
            let name = below
                .to_str()
                .ok_or_else(|| CaptureError::Name(found.path().display().to_string()))?;
            let path = if name.is_empty() {
                root.clone()
            } else {
                format!("{root}/{name}")
            };
            let keep_content = !excluded.contains(&path);
            let entry = capture_path(blobs, found.path(), &path, keep_content)?;
            snapshot.entries.insert(path, entry);
        }
    }
    Ok(snapshot)
}

fn capture_path(
    blobs: &Blobs,
    real: &Path,
    path: &str,
    keep_content: bool,
) -> Result<Entry, CaptureError> {
    // A service may still write while the first copy is made; the copy under the hold is final.
    for _ in 0..3 {
        let before = real.symlink_metadata().map_err(at("look at", real))?;
        let kind = capture_kind(blobs, real, &before, keep_content)?;
        let after = real.symlink_metadata().map_err(at("look at", real))?;
        let stamp = |m: &Metadata| (m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime_nsec());
        if stamp(&before) == stamp(&after) {
            return Ok(dress(kind, &after, xattrs(real)?));
        }
    }
    Err(CaptureError::Unstable(path.to_owned()))
}

fn capture_kind(
    blobs: &Blobs,
    real: &Path,
    metadata: &Metadata,
    keep_content: bool,
) -> Result<Kind, CaptureError> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok(Kind::Directory);
    }
    if kind.is_symlink() {
        let target = std::fs::read_link(real).map_err(at("read the symlink", real))?;
        let target = target
            .to_str()
            .ok_or_else(|| CaptureError::Name(real.display().to_string()))?;
        return Ok(Kind::Symlink {
            target: target.to_owned(),
        });
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
        return Ok(Kind::Special);
    }
    if !keep_content {
        return Ok(Kind::Program);
    }
    let (size, sha256) = blobs.store(&mut secure_fs::open_read(real)?, real)?;
    Ok(Kind::File { size, sha256 })
}

fn dress(kind: Kind, metadata: &Metadata, xattrs: BTreeMap<String, String>) -> Entry {
    Entry {
        kind,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime_secs: metadata.mtime(),
        mtime_nanos: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        xattrs,
    }
}

fn xattrs(real: &Path) -> Result<BTreeMap<String, String>, FsError> {
    let names = match xattr::list(real) {
        Ok(names) => names,
        // A filesystem without attributes has none to keep.
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => return Ok(BTreeMap::new()),
        Err(error) => return Err(FsError::new("list extended attributes of", real, error)),
    };
    let mut found = BTreeMap::new();
    for name in names {
        let value = xattr::get(real, &name).map_err(at("read an extended attribute of", real))?;
        if let (Some(name), Some(value)) = (name.to_str(), value) {
            found.insert(name.to_owned(), to_hex(&value));
        }
    }
    Ok(found)
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}
