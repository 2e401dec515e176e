//! The one room that writes files: complete and synced under their name, or not there at all.

mod nameless;
mod resumable;
mod tree;

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::explain::{Exit, Explain, Explained};

pub use resumable::{Resumable, tidy};
pub use tree::PendingTree;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {source}", path.display())]
pub struct OutputError {
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

impl Explain for OutputError {
    fn exit(&self) -> Exit {
        Exit::Internal
    }

    fn explain(&self) -> Explained {
        Explained::new(
            "cannot write a file",
            self.to_string(),
            "make sure that the directory exists, is writable and has space, then run the command \
             again",
        )
    }
}

/// A complete, synced file that does not have its name yet. Dropping it removes it.
///
/// Until then it has no name at all where the filesystem can do that: a program that is killed
/// leaves nothing of it.
#[derive(Debug)]
#[must_use]
pub struct Pending {
    file: File,
    /// The name it has meanwhile, where it must have one.
    meanwhile: Option<TempPath>,
    path: PathBuf,
}

impl Pending {
    /// Starts a file beside `path`.
    pub fn begin(path: &Path, mode: u32) -> Result<Self, OutputError> {
        let attempt = || {
            let (file, meanwhile) = nameless::create(directory_of(path))?;
            // The mode is set explicitly: it must not depend on the umask.
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok((file, meanwhile))
        };
        let (file, meanwhile) = attempt().map_err(|source| failed(path, source))?;
        Ok(Self {
            file,
            meanwhile,
            path: path.to_owned(),
        })
    }

    /// Makes a file with these bytes.
    pub fn with_bytes(path: &Path, bytes: &[u8], mode: u32) -> Result<Self, OutputError> {
        let mut pending = Self::begin(path, mode)?;
        pending
            .file
            .write_all(bytes)
            .map_err(|source| failed(path, source))?;
        Ok(pending)
    }

    /// Returns the open file.
    pub const fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Opens it again, for reading from its beginning.
    pub fn reopen(&self) -> io::Result<File> {
        match &self.meanwhile {
            Some(name) => File::open(name),
            None => File::open(nameless::descriptor(&self.file)),
        }
    }

    /// Closes it, with a name for the moment, from which it is renamed.
    fn into_named(self) -> io::Result<TempPath> {
        match self.meanwhile {
            Some(name) => Ok(name),
            None => nameless::name(&self.file, directory_of(&self.path)),
        }
    }

    /// Syncs the bytes and closes the file.
    pub fn close(self) -> Result<Closed, OutputError> {
        let path = self.path.clone();
        let attempt = || {
            self.file.sync_all()?;
            self.into_named()
        };
        let file = attempt().map_err(|source| failed(&path, source))?;
        Ok(Closed { file, path })
    }

    /// Syncs the bytes, gives the file its name and syncs the directory.
    pub fn commit(self) -> Result<(), OutputError> {
        let path = self.path.clone();
        let attempt = || {
            self.file.sync_all()?;
            let name = self.into_named()?;
            name.persist(&path).map_err(|error| error.error)?;
            File::open(directory_of(&path))?.sync_all()
        };
        attempt().map_err(|source| failed(&path, source))
    }

    /// Gives the file its name without waiting for the disk: for what is checked whenever it is used.
    pub fn commit_unsynced(self) -> Result<(), OutputError> {
        let path = self.path.clone();
        let attempt = || {
            let name = self.into_named()?;
            name.persist(&path).map_err(|error| error.error)
        };
        attempt().map_err(|source| failed(&path, source))
    }

    /// Does the same as [`Self::commit`] unless something has that name already, and returns whether it did.
    pub fn commit_new(self) -> Result<bool, OutputError> {
        let path = self.path.clone();
        let attempt = || {
            self.file.sync_all()?;
            let name = self.into_named()?;
            match name.persist_noclobber(&path) {
                Ok(()) => {}
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                    return Ok(false);
                }
                Err(error) => return Err(error.error),
            }
            File::open(directory_of(&path))?.sync_all()?;
            Ok(true)
        };
        attempt().map_err(|source| failed(&path, source))
    }
}

/// A [`Pending`] that is synced and no longer open: there may be more of them than descriptors.
#[derive(Debug)]
#[must_use]
pub struct Closed {
    file: TempPath,
    path: PathBuf,
}

impl Closed {
    /// Returns where the bytes are until the file gets its name.
    #[must_use]
    pub fn temporary_path(&self) -> &Path {
        &self.file
    }

    /// Gives the file its name and syncs the directory.
    pub fn commit(self) -> Result<(), OutputError> {
        let Self { file, path } = self;
        let attempt = || {
            file.persist(&path).map_err(|error| error.error)?;
            File::open(directory_of(&path))?.sync_all()
        };
        attempt().map_err(|source| failed(&path, source))
    }
}

/// Makes a directory and its parents, readable by the owner alone.
pub fn make_private_directory(path: &Path) -> Result<(), OutputError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| failed(path, source))
}

/// Makes a directory and its parents, under the process's umask.
pub fn make_directory(path: &Path) -> Result<(), OutputError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .create(path)
        .map_err(|source| failed(path, source))
}

/// Removes a file, unless it is not there.
#[expect(clippy::disallowed_methods, reason = "this is the room that writes")]
pub fn remove(path: &Path) -> Result<(), OutputError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

/// Returns the directory a file is in.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Returns where a companion of the bundle goes: `bundle.tar.zst` has its lock in
/// `bundle.lock.json`.
#[must_use]
pub fn beside(out: &Path, ending: &str) -> PathBuf {
    let name = out
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let stem = name.strip_suffix(".tar.zst").unwrap_or(&name);
    out.with_file_name(format!("{stem}.{ending}"))
}

fn failed(path: &Path, source: io::Error) -> OutputError {
    OutputError {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_complete_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        drop(Pending::with_bytes(&path, b"half", 0o600).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        Pending::with_bytes(&path, b"whole", 0o640)
            .unwrap()
            .commit()
            .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
