//! A file that grows over several runs of the program, and the note beside it that records how far.

#![expect(
    clippy::disallowed_methods,
    reason = "this room is the one that removes and renames"
)]

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{OutputError, Pending, directory_of, failed};

/// The end of the name of a file that is not whole.
const UNFINISHED: &str = "part";
const NOTE: &str = "part.json";
/// How many unfinished files stay, and how long: the newest may be resumed, the rest is waste.
const UNFINISHED_MAX: usize = 32;
const UNFINISHED_MAX_AGE: Duration = Duration::from_hours(7 * 24);
/// A temporary file this old was left by a program that was killed.
const STRAY_MAX_AGE: Duration = Duration::from_hours(24);

/// An unfinished file that this process alone may write.
#[derive(Debug)]
pub struct Resumable {
    file: Arc<File>,
    path: PathBuf,
}

impl Resumable {
    /// Opens or makes `<stem>.part`; nothing while another process writes it.
    pub fn open(stem: &Path) -> Result<Option<Self>, OutputError> {
        let path = stem.with_extension(UNFINISHED);
        let attempt = || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Its last owner may have finished it meanwhile: then this is no longer what has the name.
            let (ours, named) = (file.metadata()?, std::fs::symlink_metadata(&path));
            let same =
                named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino()));
            Ok(same.then_some(file))
        };
        let file = attempt().map_err(|source| failed(&path, source))?;
        Ok(file.map(|file| Self {
            file: Arc::new(file),
            path,
        }))
    }

    /// Returns the open file.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets the bytes.
    pub fn clear(&self) -> Result<(), OutputError> {
        let attempt = || {
            remove_if_there(&self.path.with_extension(NOTE))?;
            self.file.set_len(0)
        };
        attempt().map_err(|source| failed(&self.path, source))
    }

    /// Reads what was noted, if it is not absurdly long.
    #[must_use]
    pub fn note(&self) -> Option<Vec<u8>> {
        let path = self.path.with_extension(NOTE);
        let small = std::fs::metadata(&path).ok()?.len() < 64 * 1024;
        small.then(|| std::fs::read(path).ok()).flatten()
    }

    /// Notes how far it is. Not synced: what the note promises is checked by the file's digest.
    pub fn write_note(&self, bytes: &[u8]) -> Result<(), OutputError> {
        Pending::with_bytes(&self.path.with_extension(NOTE), bytes, 0o600)?.commit_unsynced()
    }

    /// Removes file and note.
    pub fn remove(self) -> Result<(), OutputError> {
        let attempt = || {
            remove_if_there(&self.path.with_extension(NOTE))?;
            remove_if_there(&self.path)
        };
        attempt().map_err(|source| failed(&self.path, source))
    }

    /// Gives the file its name. It is not synced: every use reads it whole and compares its digest.
    pub fn finish(self, path: &Path) -> Result<(), OutputError> {
        let attempt = || {
            remove_if_there(&self.path.with_extension(NOTE))?;
            std::fs::rename(&self.path, path)
        };
        attempt().map_err(|source| failed(path, source))
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes unfinished files that are too old or too many, and temporary files of killed programs.
pub fn tidy(directory: &Path) -> Result<(), OutputError> {
    let attempt = || {
        // What time it is, by the clock that dates the files.
        let now = Pending::begin(&directory.join("now"), 0o600)
            .map_err(|error| error.source)?
            .file
            .metadata()?
            .modified()?;
        let mut unfinished = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let Ok(modified) = std::fs::symlink_metadata(&path).and_then(|m| m.modified()) else {
                continue;
            };
            let age = now.duration_since(modified).unwrap_or_default();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".part") {
                unfinished.push((age, path.clone()));
            } else if is_stray(&name) && age > STRAY_MAX_AGE {
                remove_if_there(&path)?;
            }
        }
        unfinished.sort();
        for (at, (age, path)) in unfinished.into_iter().enumerate() {
            if at >= UNFINISHED_MAX || age > UNFINISHED_MAX_AGE {
                remove_unused(&path)?;
            }
        }
        Ok(())
    };
    attempt().map_err(|source| failed(directory, source))
}

fn is_stray(name: &str) -> bool {
    name.starts_with(".bundle-") && name.ends_with(".partial")
}

/// Another process may be writing it; then it is not waste.
fn remove_unused(path: &Path) -> io::Result<()> {
    let stem = directory_of(path).join(path.file_stem().unwrap_or_default());
    match Resumable::open(&stem) {
        Ok(Some(unused)) => unused.remove().map_err(|error| error.source),
        Ok(None) => Ok(()),
        Err(error) => Err(error.source),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    fn names(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn one_process_at_a_time_and_never_the_finished_file() {
        let dir = tempfile::tempdir().unwrap();
        let stem = dir.path().join("sha1-00");
        let first = Resumable::open(&stem).unwrap().unwrap();
        assert!(Resumable::open(&stem).unwrap().is_none());
        first.file().write_all_at(b"half", 0).unwrap();
        first.write_note(b"note").unwrap();
        drop(first);
        let again = Resumable::open(&stem).unwrap().unwrap();
        assert_eq!(again.note().unwrap(), b"note");
        let target = dir.path().join("whole.rpm");
        again.finish(&target).unwrap();
        assert_eq!(
            (std::fs::read(&target).unwrap(), names(dir.path())),
            (b"half".to_vec(), 1)
        );
        Resumable::open(&stem).unwrap().unwrap().remove().unwrap();
        assert_eq!(names(dir.path()), 1);
    }

    #[test]
    fn old_and_surplus_files_go_and_those_in_use_stay() {
        let dir = tempfile::tempdir().unwrap();
        let stem = |at: usize| dir.path().join(format!("sha1-{at:02}"));
        for at in 0..UNFINISHED_MAX + 3 {
            let one = Resumable::open(&stem(at)).unwrap().unwrap();
            let before = std::time::UNIX_EPOCH;
            if at < 2 {
                one.file().set_modified(before).unwrap();
            }
        }
        let used = Resumable::open(&stem(0)).unwrap().unwrap();
        tidy(dir.path()).unwrap();
        assert_eq!(names(dir.path()), UNFINISHED_MAX + 1);
        assert!(used.path().exists() && !stem(1).with_extension("part").exists());
    }
}
