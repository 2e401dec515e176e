//! Writes files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use rustix::io::Errno;

use super::guard::set_file_mode;
use super::{FsError, at, create_new, parent_of, remove_if_present, rename, sync_parent};

/// Writes a whole file durably. After success the new content survives a power cut; after a failure
/// the old content is still there.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    Written::new(path, bytes, mode)?.publish()
}

/// The same for a file that is too large for memory: `write` produces the content.
pub fn write_stream<E: From<FsError>>(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&File) -> Result<(), E>,
) -> Result<(), E> {
    Ok(Written::filled(path, mode, write)?.publish()?)
}

/// A complete and synced file that is not yet at its path. Dropping it removes it.
///
/// It has no name at all where the filesystem allows that, so that a power cut leaves nothing of
/// it.
#[derive(Debug)]
pub struct Written<'a> {
    path: &'a Path,
    file: File,
    pending: Option<PathBuf>,
}

impl<'a> Written<'a> {
    /// Writes and syncs the content for `path`.
    pub fn new(path: &'a Path, bytes: &[u8], mode: u32) -> Result<Self, FsError> {
        Self::filled(path, mode, |mut file| {
            file.write_all(bytes).map_err(at("write", path))
        })
    }

    /// Lets `write` produce the content for `path` and syncs it.
    fn filled<E: From<FsError>>(
        path: &'a Path,
        mode: u32,
        write: impl FnOnce(&File) -> Result<(), E>,
    ) -> Result<Self, E> {
        // A leftover of an earlier run takes space that this one may need.
        let partial = partial_name(path);
        remove_if_present(&partial)?;
        let (file, pending) = match create_nameless(path, mode)? {
            Some(file) => (file, None),
            None => (create_new(&partial, mode)?, Some(partial)),
        };
        let written = Self {
            path,
            file,
            pending,
        };
        set_file_mode(&written.file, path, mode)?;
        write(&written.file)?;
        written.file.sync_all().map_err(at("sync", path))?;
        Ok(written)
    }

    /// Puts the file at its path and replaces an existing one. A new file appears in a single step.
    pub fn publish(mut self) -> Result<(), FsError> {
        if self.pending.is_none() {
            match self.link(self.path) {
                Ok(()) => return sync_parent(self.path),
                Err(Errno::EXIST) => {
                    let partial = partial_name(self.path);
                    self.link(&partial)
                        .map_err(|error| FsError::new("create", &partial, error.into()))?;
                    self.pending = Some(partial);
                }
                Err(error) => return Err(FsError::new("create", self.path, error.into())),
            }
        }
        if let Some(pending) = &self.pending {
            rename(pending, self.path)?;
        }
        self.pending = None;
        Ok(())
    }

    /// Gives the file a name, if that name is free.
    fn link(&self, name: &Path) -> Result<(), Errno> {
        let descriptor = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        linkat(CWD, descriptor, CWD, name, AtFlags::SYMLINK_FOLLOW)
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if let Some(pending) = &self.pending {
            // The first error is the one to report; the leftover carries our suffix and is swept later.
            let _ = remove_if_present(pending);
        }
    }
}

/// Creates a file without a name in the directory of `path`; returns `None` where the kernel or the
/// filesystem does not support that.
fn create_nameless(path: &Path, mode: u32) -> Result<Option<File>, FsError> {
    let result = OpenOptions::new()
        .write(true)
        .mode(mode)
        .custom_flags(OFlags::TMPFILE.bits().cast_signed())
        .open(parent_of(path));
    match result {
        Ok(file) => Ok(Some(file)),
        // To a kernel that does not know the flag, the call asks to write a directory.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(FsError::new("create", path, error)),
    }
}

/// Returns the temporary name of `path`, for files that need a name while they are written.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".airgap-partial");
    path.with_file_name(name)
}

/// Creates a symlink, durable with the next sync of its directory. A symlink with the same target
/// may exist.
pub fn link_to(target: &Path, path: &Path) -> Result<(), FsError> {
    match std::os::unix::fs::symlink(target, path) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists
                && fs::read_link(path).is_ok_and(|present| present == target) =>
        {
            Ok(())
        }
        result => result.map_err(at("create the symlink", path)),
    }
}

/// Removes files or symlinks and the temporary files that a power cut may have left of them. No
/// directory is synced before the last name is removed, so that after a power cut most likely all
/// of them or none exist.
pub fn remove_all(paths: &[&Path]) -> Result<(), FsError> {
    let names = paths
        .iter()
        .flat_map(|path| [partial_name(path), path.to_path_buf()]);
    let mut changed = Vec::new();
    for name in names {
        match fs::remove_file(&name) {
            Ok(()) => changed.push(name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FsError::new("remove", &name, error)),
        }
    }
    changed.iter().try_for_each(|name| sync_parent(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_keeps_the_old_content_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&path, b"old", 0o600).unwrap();
        write_atomic(&path, b"new", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write_atomic(&dir.path().join("taken"), b"x", 0o600).is_err());
        assert_eq!(
            names(dir.path()),
            ["file", "taken"],
            "no temporary file is left"
        );
    }

    #[test]
    fn a_file_that_was_not_published_has_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        // Tests what the filesystem supports, without our code.
        let flags = OFlags::TMPFILE | OFlags::WRONLY;
        let mode = rustix::fs::Mode::RUSR;
        let can = rustix::fs::open(dir.path(), flags, mode).is_ok();
        let written = Written::new(&path, b"whole", 0o644).unwrap();
        assert_eq!(names(dir.path()).is_empty(), can);
        drop(written);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_leftover_of_an_earlier_write_blocks_no_later_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::write(dir.path().join(".file.airgap-partial"), "half").unwrap();
        write_atomic(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn a_symlink_in_the_files_place_is_replaced_and_another_target_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (link, victim) = (dir.path().join("link"), dir.path().join("victim"));
        fs::write(&victim, "untouched").unwrap();
        link_to(&victim, &link).unwrap();
        link_to(&victim, &link).unwrap();
        assert!(link_to(dir.path(), &link).is_err());
        write_atomic(&link, b"new", 0o600).unwrap();
        assert!(!link.is_symlink());
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    }

    #[test]
    fn all_files_are_removed_and_a_missing_one_is_not_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        fs::write(&one, "1").unwrap();
        fs::write(dir.path().join(".two.airgap-partial"), "half").unwrap();
        remove_all(&[&one, &two]).unwrap();
        assert!(names(dir.path()).is_empty());
    }
}
