//! Restores a snapshot.

use std::collections::BTreeSet;
use std::path::Path;

use super::blobs::{BlobError, Blobs};
use super::capture::{CaptureError, Contents, Writers, capture, from_hex};
use super::snapshot::{Entry, Kind, Snapshot};
use crate::failure::chain;
use crate::layout::Layout;
use crate::secure_fs::{self, FsError, Ownership, Place};

/// A snapshot that cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A content is missing or damaged.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The present state cannot be captured.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Everything was written, but some paths still differ from the snapshot.
    #[error("still different after the restoration: {}", paths.join(", "))]
    Different {
        /// The paths.
        paths: Vec<String>,
        /// What was done.
        done: Box<Restored>,
    },
}

/// What a restoration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Paths that were written or changed.
    pub written: Vec<String>,
    /// Paths that had appeared since the snapshot and were moved into the run's directory.
    pub displaced: Vec<String>,
    /// Paths that were overwritten and could not be moved away first, each with the reason.
    pub lost: Vec<String>,
}

/// Restores the trees of `snapshot`: contents, modes, owners, times and attributes. Files that
/// appeared or changed since are moved below `displaced` and never deleted. Only the written files
/// take space. At the end the result is compared with the snapshot.
pub fn restore(
    layout: &Layout,
    blobs: &Blobs,
    snapshot: &Snapshot,
    displaced: &Path,
) -> Result<Restored, RestoreError> {
    let present = look(layout, snapshot)?;
    let mut done = Restored::default();
    // First remove what blocks a directory of the snapshot, deepest first. Then write the snapshot.
    // Then move the other new paths: they matter least and may need space.
    let appeared = |path: &&String| !snapshot.entries.contains_key(*path);
    let (in_the_way, beside): (Vec<&String>, Vec<&String>) = present
        .entries
        .keys()
        .rev()
        .filter(appeared)
        .partition(|path| is_in_the_way(snapshot, path));
    for path in in_the_way {
        displace(layout, path, &present.entries[path], displaced)?;
        done.displaced.push(path.clone());
    }
    let different: BTreeSet<String> = snapshot.differences(&present).into_iter().collect();
    for (path, entry) in snapshot.entries.iter().filter(|(path, entry)| {
        let is_left_out = entry.kind == Kind::Directory && !is_ours_to_restore(snapshot, path);
        different.contains(*path) && !is_left_out
    }) {
        let was = present.entries.get(path);
        let lost = write(layout, blobs, path, entry, was, displaced)?;
        done.lost.extend(lost);
        done.written.push(path.clone());
    }
    for path in beside {
        displace(layout, path, &present.entries[path], displaced)?;
        done.displaced.push(path.clone());
    }
    dress_directories(layout, snapshot, &present)?;
    for root in snapshot
        .roots
        .iter()
        .map(|root| layout.at(root))
        .filter(|root| root.exists())
    {
        secure_fs::sync_filesystem(&root)?;
    }
    let rest = snapshot.differences(&look(layout, snapshot)?);
    let rest: Vec<String> = rest
        .into_iter()
        .filter(|path| is_ours_to_restore(snapshot, path))
        .collect();
    if rest.is_empty() {
        Ok(done)
    } else {
        let done = Box::new(done);
        Err(RestoreError::Different { paths: rest, done })
    }
}

fn is_in_the_way(snapshot: &Snapshot, path: &str) -> bool {
    let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
    let mut known = parents.filter_map(|parent| snapshot.entries.get(parent));
    known.any(|entry| entry.kind != Kind::Directory)
}

pub(super) fn look(layout: &Layout, snapshot: &Snapshot) -> Result<Snapshot, CaptureError> {
    capture(
        layout,
        Contents::Hash,
        Writers::AtWork,
        &snapshot.roots,
        &snapshot.excluded,
    )
}

/// Packages provide programs and services create sockets, so neither is restored; an excluded
/// directory, such as a mount, is not even dressed. Paths that appeared since must go.
pub(super) fn is_ours_to_restore(snapshot: &Snapshot, path: &str) -> bool {
    let kind = snapshot.entries.get(path).map(|entry| &entry.kind);
    let is_excluded = || snapshot.excluded.iter().any(|left| left == path);
    match kind {
        Some(Kind::Program | Kind::Special) => false,
        Some(Kind::Directory) => !is_excluded(),
        _ => true,
    }
}

/// Moves a path out of the way. Directories are removed only when empty, because their contents
/// were moved before.
fn displace(
    layout: &Layout,
    path: &str,
    entry: &Entry,
    displaced: &Path,
) -> Result<(), RestoreError> {
    let place = Place::of(&layout.at(path))?;
    if matches!(entry.kind, Kind::Directory | Kind::Special) {
        return Ok(place.remove()?);
    }
    let target = displaced.join(path.trim_start_matches('/'));
    if let Some(parent) = target.parent() {
        secure_fs::ensure_dir(parent, 0o700)?;
    }
    Ok(place.displace(&target)?)
}

/// Writes one path of the snapshot. Returns what it overwrote without keeping it.
fn write(
    layout: &Layout,
    blobs: &Blobs,
    path: &str,
    entry: &Entry,
    present: Option<&Entry>,
    displaced: &Path,
) -> Result<Option<String>, RestoreError> {
    let place = Place::of(&layout.at(path))?;
    let mut lost = None;
    let same_content = present.is_some_and(|present| present.kind == entry.kind);
    match &entry.kind {
        Kind::File { .. } | Kind::Program if same_content => {
            place.set_ownership(ownership(entry), &xattrs(entry), &surplus(entry, present))?;
        }
        Kind::File { sha256, .. } => {
            let mut content = blobs.content(sha256)?;
            lost = set_aside(layout, path, present, displaced);
            remove_directory(&place, present)?;
            place.copy_from(&mut content, ownership(entry), &xattrs(entry))?;
        }
        Kind::Directory => place.restore_dir()?,
        Kind::Symlink { target } => {
            remove_directory(&place, present)?;
            place.restore_symlink(target, ownership(entry), &xattrs(entry))?;
        }
        // The package provides the program. If it does not, the check after the revert reports
        // that.
        Kind::Program | Kind::Special => {}
    }
    Ok(lost)
}

/// Writes one file or symlink with its owner, mode, time and attributes, and replaces what is
/// there.
pub(crate) fn put(
    layout: &Layout,
    blobs: &Blobs,
    path: &str,
    entry: &Entry,
) -> Result<(), RestoreError> {
    let place = Place::of(&layout.at(path))?;
    match &entry.kind {
        Kind::File { sha256, .. } => {
            let mut content = blobs.content(sha256)?;
            place.copy_from(&mut content, ownership(entry), &xattrs(entry))?;
        }
        Kind::Symlink { target } => {
            place.restore_symlink(target, ownership(entry), &xattrs(entry))?;
        }
        Kind::Program | Kind::Directory | Kind::Special => {}
    }
    Ok(())
}

/// Keeps a file that is about to be overwritten, if there is room. Restoring the state matters
/// more, so a failure is returned for the report only.
fn set_aside(
    layout: &Layout,
    path: &str,
    present: Option<&Entry>,
    displaced: &Path,
) -> Option<String> {
    let present = present.filter(|present| matches!(present.kind, Kind::File { .. }))?;
    let error = displace(layout, path, present, displaced).err()?;
    Some(format!("{path} ({})", chain(&error)))
}

fn remove_directory(place: &Place, present: Option<&Entry>) -> Result<(), FsError> {
    if present.is_some_and(|present| present.kind == Kind::Directory) {
        return place.remove();
    }
    Ok(())
}

/// Sets the metadata of directories last, because every write below them changed their times.
fn dress_directories(
    layout: &Layout,
    snapshot: &Snapshot,
    present: &Snapshot,
) -> Result<(), FsError> {
    for (path, entry) in snapshot.entries.iter().rev() {
        if entry.kind == Kind::Directory && is_ours_to_restore(snapshot, path) {
            let surplus = surplus(entry, present.entries.get(path));
            Place::of(&layout.at(path))?.set_ownership(
                ownership(entry),
                &xattrs(entry),
                &surplus,
            )?;
        }
    }
    Ok(())
}

fn xattrs(entry: &Entry) -> Vec<(String, Vec<u8>)> {
    let decode = |(name, value): (&String, &String)| Some((name.clone(), from_hex(value)?));
    entry.xattrs.iter().filter_map(decode).collect()
}

/// Returns the attributes that appeared since the snapshot.
fn surplus(entry: &Entry, present: Option<&Entry>) -> Vec<String> {
    let Some(present) = present.filter(|present| present.kind == entry.kind) else {
        return Vec::new();
    };
    present
        .xattrs
        .keys()
        .filter(|name| !entry.xattrs.contains_key(*name))
        .cloned()
        .collect()
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
            Contents::Keep(&place.blobs),
            Writers::Stopped,
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
