//! Takes a snapshot of directory trees.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use manifests::digest::{hex, of_reader};
use walkdir::WalkDir;

use super::blobs::{BlobError, Blobs};
use super::snapshot::{Entry, Kind, Snapshot};
use crate::layout::Layout;
use crate::secure_fs::{self, FsError, at};

/// A tree that cannot be captured completely.
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
    /// A name is not UTF-8, and the snapshot cannot hold it.
    #[error("{0} has a name that is not UTF-8")]
    Name(String),
    /// A file changed while it was read, twice in a row.
    #[error("{0} keeps changing while it is read")]
    Unstable(String),
}

/// What capturing does with contents.
#[derive(Debug, Clone, Copy)]
pub enum Contents<'a> {
    /// Stores them.
    Keep(&'a Blobs),
    /// Hashes them only, which takes no space.
    Hash,
}

/// How capturing treats a file that changes while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Services run. A growing log is captured as it was at some moment.
    AtWork,
    /// Everything is stopped. A file that still changes is an error.
    Stopped,
}

/// Captures `roots` without following symlinks. A root that does not exist is captured as absent,
/// and so is a path that disappears meanwhile. Of an excluded file the content is left out, and of an
/// excluded directory everything below it. The holds of a run are left out, and so is a drop-in
/// directory that contains nothing else.
pub fn capture(
    layout: &Layout,
    contents: Contents<'_>,
    writers: Writers,
    roots: &[String],
    excluded: &[String],
) -> Result<Snapshot, CaptureError> {
    let mut snapshot = Snapshot::new(roots.to_vec(), excluded.to_vec());
    for root in roots {
        let base = layout.at(root);
        if base.symlink_metadata().is_err() {
            continue;
        }
        let mut walk = WalkDir::new(&base).sort_by_file_name().into_iter();
        while let Some(found) = walk.next() {
            let found = match found {
                Ok(found) => found,
                Err(error) if has_vanished(error.io_error()) => continue,
                Err(source) => {
                    return Err(CaptureError::Walk {
                        path: root.clone(),
                        source,
                    });
                }
            };
            let below = found.path().strip_prefix(&base).unwrap_or(Path::new(""));
            let name = below
                .to_str()
                .ok_or_else(|| CaptureError::Name(found.path().display().to_string()))?;
            let path = if name.is_empty() {
                root.clone()
            } else {
                format!("{root}/{name}")
            };
            if Layout::is_hold(&path) || is_made_for_holds(found.path(), &path) {
                continue;
            }
            let is_excluded = excluded.contains(&path);
            if is_excluded && found.file_type().is_dir() {
                walk.skip_current_dir();
            }
            let contents = (!is_excluded).then_some(contents);
            let entry = capture_path(contents, writers, found.path(), &path)?;
            snapshot.entries.extend(entry.map(|entry| (path, entry)));
        }
    }
    Ok(snapshot)
}

/// A hold creates its directory if needed, and removes it again when it is empty.
fn is_made_for_holds(real: &Path, path: &str) -> bool {
    let name = path.strip_prefix("/etc/systemd/system/");
    let unit = name.and_then(|name| name.strip_suffix(".d"));
    if unit.is_none_or(|unit| unit.contains('/')) || real.is_symlink() {
        return false;
    }
    let of_a_hold = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| Layout::is_hold(&format!("{path}/{}", entry.file_name().display())))
    };
    std::fs::read_dir(real).is_ok_and(|mut entries| entries.all(of_a_hold))
}

fn has_vanished(error: Option<&std::io::Error>) -> bool {
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

fn capture_path(
    contents: Option<Contents<'_>>,
    writers: Writers,
    real: &Path,
    path: &str,
) -> Result<Option<Entry>, CaptureError> {
    let mut last = None;
    for _ in 0..3 {
        let Some(before) = look(real)? else {
            return Ok(None);
        };
        let kind = match capture_kind(contents, real, &before) {
            Err(_) if look(real)?.is_none() => return Ok(None),
            kind => kind?,
        };
        let Some(after) = look(real)? else {
            return Ok(None);
        };
        let attributes = match xattrs(real) {
            Err(_) if look(real)?.is_none() => return Ok(None),
            attributes => attributes?,
        };
        let entry = dress(kind, &after, attributes);
        let stamp = |m: &Metadata| (m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime_nsec());
        if stamp(&before) == stamp(&after) {
            return Ok(Some(entry));
        }
        last = Some(entry);
    }
    match writers {
        Writers::AtWork => Ok(last),
        Writers::Stopped => Err(CaptureError::Unstable(path.to_owned())),
    }
}

fn look(real: &Path) -> Result<Option<Metadata>, FsError> {
    match real.symlink_metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if has_vanished(Some(&error)) => Ok(None),
        Err(error) => Err(FsError::new("look at", real, error)),
    }
}

fn capture_kind(
    contents: Option<Contents<'_>>,
    real: &Path,
    metadata: &Metadata,
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
    if !kind.is_file() {
        return Ok(Kind::Special);
    }
    let Some(contents) = contents else {
        return Ok(Kind::Program);
    };
    let mut file = secure_fs::open_read(real)?;
    if !file.metadata().map_err(at("look at", real))?.is_file() {
        return Err(CaptureError::Unstable(real.display().to_string()));
    }
    let (size, sha256) = match contents {
        Contents::Keep(blobs) => blobs.store(&mut file, real)?,
        Contents::Hash => of_reader(&mut file).map_err(at("read", real))?,
    };
    Ok(Kind::File { size, sha256 })
}

/// Returns how many bytes of content the trees hold now.
#[must_use]
pub fn measure(layout: &Layout, roots: &[String], excluded: &[String]) -> u64 {
    let size = |root: &String| -> u64 {
        let base = layout.at(root);
        let is_kept = |path: &Path| !excluded.iter().any(|left| layout.at(left) == path);
        let walk = WalkDir::new(&base).into_iter();
        let kept = walk.filter_entry(|found| is_kept(found.path())).flatten();
        let files = kept.filter(|found| found.file_type().is_file());
        files
            .filter_map(|found| found.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    };
    roots.iter().map(size).sum()
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
        // A filesystem without extended attributes has nothing to capture.
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => return Ok(BTreeMap::new()),
        Err(error) => return Err(FsError::new("list extended attributes of", real, error)),
    };
    let mut found = BTreeMap::new();
    for name in names {
        let value = xattr::get(real, &name).map_err(at("read an extended attribute of", real))?;
        if let (Some(name), Some(value)) = (name.to_str(), value) {
            found.insert(name.to_owned(), hex(&value));
        }
    }
    Ok(found)
}

pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}
