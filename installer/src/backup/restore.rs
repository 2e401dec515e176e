//! Putting a snapshot back.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use super::blobs::{BlobError, Blobs};
use super::capture::{CaptureError, capture, from_hex};
use super::snapshot::{Entry, Kind, Snapshot};
use crate::layout::Layout;
use crate::secure_fs::{self, FsError, Ownership};

/// A snapshot that cannot be put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A content is missing or damaged.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The present state cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

/// What a restoration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Paths that were written or changed.
    pub written: Vec<String>,
    /// Paths that had appeared since the snapshot and were moved into the run's directory.
    pub displaced: Vec<String>,
}

/// Makes the trees of `snapshot` what they were: contents, modes, owners, times, attributes. What
/// appeared since is moved below `displaced`, never deleted.
pub fn restore(
    layout: &Layout,
    blobs: &Blobs,
    snapshot: &Snapshot,
    displaced: &Path,
) -> Result<Restored, RestoreError> {
    let present = capture(layout, blobs, &snapshot.roots, &snapshot.excluded)?;
    let mut done = Restored::default();
    // Deepest first, so that a directory is empty when its turn comes.
    for path in present
        .entries
        .keys()
        .rev()
        .filter(|path| !snapshot.entries.contains_key(*path))
    {
        displace(layout, path, &present.entries[path], displaced)?;
        done.displaced.push(path.clone());
    }
    let different: BTreeSet<String> = snapshot.differences(&present).into_iter().collect();
    for (path, entry) in &snapshot.entries {
        if different.contains(path) {
            write(layout, blobs, path, entry, present.entries.get(path))?;
            done.written.push(path.clone());
        }
    }
    restore_directory_times(layout, snapshot)?;
    for root in &snapshot.roots {
        let real = layout.at(root);
        if real.exists() {
            secure_fs::sync_filesystem(&real)?;
        }
    }
    Ok(done)
}

/// Moves a path out of the way. Directories are only removed when empty: what was in them has been
/// moved before.
fn displace(
    layout: &Layout,
    path: &str,
    entry: &Entry,
    displaced: &Path,
) -> Result<(), RestoreError> {
    let real = layout.at(path);
    match entry.kind {
        Kind::Directory => secure_fs::remove_dir_if_empty(&real)?,
        Kind::Special => secure_fs::remove_if_present(&real)?,
        _ => {
            let target = displaced.join(path.trim_start_matches('/'));
            if let Some(parent) = target.parent() {
                secure_fs::ensure_dir(parent, 0o700)?;
            }
            secure_fs::move_file(&real, &target)?;
        }
    }
    Ok(())
}

/// Writes one path of the snapshot.
pub(super) fn write(
    layout: &Layout,
    blobs: &Blobs,
    path: &str,
    entry: &Entry,
    present: Option<&Entry>,
) -> Result<(), RestoreError> {
    let real = layout.at(path);
    let owner = ownership(entry);
    let same_content = present.is_some_and(|present| present.kind == entry.kind);
    match &entry.kind {
        Kind::File { .. } if same_content => secure_fs::set_ownership(&real, owner)?,
        Kind::File { sha256, .. } => {
            clear_directory(&real)?;
            secure_fs::restore_file(&real, &blobs.load(sha256)?, owner)?;
        }
        // The package brings the program; if it did not, the check after the revert says so.
        Kind::Program if same_content => secure_fs::set_ownership(&real, owner)?,
        Kind::Directory => secure_fs::restore_dir(&real, owner)?,
        Kind::Symlink { target } => {
            clear_directory(&real)?;
            secure_fs::restore_symlink(&real, target.as_bytes(), owner)?;
        }
        Kind::Program | Kind::Special => return Ok(()),
    }
    restore_xattrs(&real, entry, present)?;
    Ok(())
}

fn clear_directory(real: &Path) -> Result<(), FsError> {
    if real.is_dir() && !real.is_symlink() {
        return secure_fs::remove_dir_if_empty(real);
    }
    Ok(())
}

fn restore_xattrs(real: &Path, entry: &Entry, present: Option<&Entry>) -> Result<(), FsError> {
    if matches!(entry.kind, Kind::Symlink { .. }) {
        return Ok(());
    }
    for (name, value) in &entry.xattrs {
        let known = present.is_some_and(|present| {
            present.kind == entry.kind && present.xattrs.get(name) == Some(value)
        });
        if let Some(bytes) = from_hex(value).filter(|_| !known) {
            secure_fs::set_xattr(real, OsStr::new(name), &bytes)?;
        }
    }
    Ok(())
}

/// Directories' times last: every write below them changed them.
fn restore_directory_times(layout: &Layout, snapshot: &Snapshot) -> Result<(), FsError> {
    for (path, entry) in snapshot.entries.iter().rev() {
        let real = layout.at(path);
        if entry.kind == Kind::Directory && real.is_dir() {
            secure_fs::set_ownership(&real, ownership(entry))?;
        }
    }
    Ok(())
}

fn ownership(entry: &Entry) -> Ownership {
    Ownership {
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime_secs: entry.mtime_secs,
        mtime_nanos: entry.mtime_nanos,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Place {
        _dir: tempfile::TempDir,
        layout: Layout,
        blobs: Blobs,
    }

    #[expect(clippy::disallowed_methods, reason = "the test is the operator here")]
    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        fs::create_dir_all(layout.at("/opt/p/sub")).unwrap();
        fs::write(layout.at("/opt/p/conf"), "edited").unwrap();
        fs::write(layout.at("/opt/p/sub/plain"), "mine").unwrap();
        fs::write(layout.at("/opt/p/program"), "old program").unwrap();
        std::os::unix::fs::symlink("conf", layout.at("/opt/p/link")).unwrap();
        fs::set_permissions(layout.at("/opt/p/conf"), fs::Permissions::from_mode(0o640)).unwrap();
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        Place {
            _dir: dir,
            layout,
            blobs,
        }
    }

    fn snapshot(place: &Place) -> Snapshot {
        let roots = ["/opt/p".to_owned(), "/etc/absent".to_owned()];
        capture(
            &place.layout,
            &place.blobs,
            &roots,
            &["/opt/p/program".to_owned()],
        )
        .unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is the upgrade here")]
    fn every_kind_of_change_is_undone() {
        let place = place();
        let before = snapshot(&place);
        let at = |path: &str| place.layout.at(path);
        fs::write(at("/opt/p/conf"), "replaced").unwrap();
        fs::set_permissions(at("/opt/p/conf"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(at("/opt/p/sub/plain")).unwrap();
        fs::remove_dir(at("/opt/p/sub")).unwrap();
        fs::write(at("/opt/p/sub"), "a file where a directory was").unwrap();
        fs::remove_file(at("/opt/p/link")).unwrap();
        fs::create_dir(at("/opt/p/link")).unwrap();
        fs::write(at("/opt/p/conf.rpmnew"), "vendor").unwrap();
        fs::create_dir(at("/etc")).unwrap();
        fs::write(at("/etc/absent"), "appeared").unwrap();
        let displaced = place.layout.at("/displaced");
        let done = restore(&place.layout, &place.blobs, &before, &displaced).unwrap();
        assert_eq!(snapshot(&place).differences(&before), Vec::<String>::new());
        assert_eq!(fs::read(at("/opt/p/sub/plain")).unwrap(), b"mine");
        assert_eq!(done.displaced, ["/opt/p/conf.rpmnew", "/etc/absent"]);
        assert_eq!(
            fs::read(displaced.join("opt/p/conf.rpmnew")).unwrap(),
            b"vendor"
        );
        let again = restore(&place.layout, &place.blobs, &before, &displaced).unwrap();
        assert_eq!(
            again,
            Restored::default(),
            "a second restoration finds nothing to do"
        );
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is the vandal here")]
    fn a_damaged_backup_is_not_restored() {
        let place = place();
        let before = snapshot(&place);
        fs::write(place.layout.at("/opt/p/conf"), "replaced").unwrap();
        let Kind::File { sha256, .. } = &before.entries["/opt/p/conf"].kind else {
            panic!("a file")
        };
        let blob = place.layout.at("/blobs").join(sha256.to_string());
        fs::write(&blob, "tampered").unwrap();
        let displaced = place.layout.at("/displaced");
        let error = restore(&place.layout, &place.blobs, &before, &displaced).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}
