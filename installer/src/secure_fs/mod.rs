//! The only room that writes, renames, removes and syncs files on the host.
//!
//! A file appears whole or not at all. It is written in its own directory without a name or under a
//! temporary one, has its final mode from the start, is synced, put in its place, and then the
//! directory is synced. No operation follows a symlink in the last component.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the room the other rooms are sent to"
)]

mod beneath;
mod guard;
mod whole;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use manifests::digest::{Sha256, of_reader};

pub use beneath::{Ownership, Place, Present};
pub use guard::{
    check_file, check_guarded, check_own, close_to_others, ensure_dir, ensure_guarded,
};
pub use whole::{Written, link_to, remove_all, write_atomic, write_stream};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct FsError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FsError {
    /// Names the operation and the path of an I/O error.
    #[must_use]
    pub fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the file does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether the caller may not do this.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether the disk (or a quota) is full.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// Turns an I/O error into one that names its operation and path.
pub(crate) fn at<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> FsError + 'a {
    move |source| FsError::new(operation, path, source)
}

/// Returns size and digest of a whole open file, and leaves it at its start.
pub fn hash_whole(mut file: &File) -> io::Result<(u64, Sha256)> {
    file.rewind()?;
    let found = of_reader(&mut file)?;
    file.rewind()?;
    Ok(found)
}

/// Creates a new file that only its owner can read, or with the given mode, independent of the
/// umask. An existing name is an error.
pub fn create_new(path: &Path, mode: u32) -> Result<File, FsError> {
    let file = OpenOptions::new()
        .write(true)
        .read(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(at("create", path))?;
    guard::set_file_mode(&file, path, mode)?;
    Ok(file)
}

/// Returns an open file with this content and no name, for a child that inherits it. The content is
/// gone when the last process closes the file.
pub fn unnamed(dir: &Path, bytes: &[u8]) -> Result<File, FsError> {
    use std::io::Write as _;
    /// Each thread has its own names.
    static TURN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    ensure_dir(dir, 0o700)?;
    let number = std::process::id();
    let turns = std::iter::repeat_with(|| TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let name = turns
        .map(|turn| dir.join(format!(".unnamed-{number}-{turn}")))
        .find(|name| name.symlink_metadata().is_err());
    let path = name.unwrap_or_else(|| dir.join(".unnamed"));
    let mut file = create_new(&path, 0o600)?;
    // Removed before the content is written, so that no name ever leads to it.
    fs::remove_file(&path).map_err(at("remove", &path))?;
    file.write_all(bytes).map_err(at("write", &path))?;
    Ok(file)
}

/// Opens or creates the file that a lock is taken on.
pub(crate) fn open_lock(path: &Path) -> Result<File, FsError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(at("open", path))
}

/// Opens a file for reading; a symlink is refused.
pub fn open_read(path: &Path) -> Result<File, FsError> {
    // Opened without waiting: a pipe in the file's place must not hang the reader.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(at("open", path))
}

/// Reads a file of the site's administrator, at most `max` bytes and one more: a user who can write
/// to it, or to a directory above it, decides what root does. Returns nothing for a missing file.
pub fn read_guarded(path: &Path, max: u64) -> Result<Option<String>, FsError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FsError::new("look at", path, error)),
        Ok(_) => {}
    }
    if let Some(dir) = path.parent() {
        check_guarded(dir)?;
    }
    let file = open_read(path)?;
    check_file(&file, path)?;
    let mut text = String::new();
    file.take(max.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(at("read", path))?;
    Ok(Some(text))
}

/// Renames durably and replaces what is at `to`.
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::rename(from, to).map_err(at("rename to", to))?;
    sync_parent(to)
}

/// Removes a file or symlink; a missing one is not an error.
pub fn remove_if_present(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FsError::new("remove", path, error)),
    }
}

/// Removes an empty directory; a missing one, or one that is not empty, is left alone.
pub fn remove_dir_if_empty(path: &Path) -> Result<(), FsError> {
    match fs::remove_dir(path) {
        Ok(()) => sync_parent(path),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(FsError::new("remove directory", path, error)),
    }
}

/// Removes a directory with all it holds. Only for directories below the state directory.
pub fn remove_tree(path: &Path) -> Result<(), FsError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FsError::new("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Syncs the directory that holds `path`.
pub fn sync_parent(path: &Path) -> Result<(), FsError> {
    sync_dir(parent_of(path))
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Syncs a directory: its names survive a power cut.
pub fn sync_dir(dir: &Path) -> Result<(), FsError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(at("sync", dir))
}

/// Writes back everything of the filesystem that holds `path`: rpm does not sync what it unpacks.
pub fn sync_filesystem(path: &Path) -> Result<(), FsError> {
    let file = File::open(path).map_err(at("open", path))?;
    rustix::fs::syncfs(&file).map_err(|error| FsError::new("sync", path, error.into()))
}

/// Allocates `bytes` of disk for a file without changing its size, where the filesystem can.
pub fn reserve_space(file: &File, path: &Path, bytes: u64) -> Result<(), FsError> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, bytes) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(FsError::new("reserve space for", path, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symlinks_and_shared_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        ensure_dir(&real, 0o700).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(ensure_dir(&link, 0o700).is_err());
        assert!(open_read(&link).is_err());
        assert!(create_new(&link, 0o600).is_err());
        let shared = std::os::unix::fs::PermissionsExt::from_mode(0o770);
        fs::set_permissions(&real, shared).unwrap();
        assert!(ensure_dir(&real, 0o700).is_err());
    }
}
