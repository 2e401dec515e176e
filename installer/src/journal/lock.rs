//! Allows one run at a time. Only the holder of a [`RunLock`] may change the state directory, and
//! the journal cannot be opened without one.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use rustix::fs::{FlockOperation, flock};

use crate::layout::Layout;
use crate::secure_fs::{self, FsError, at};

/// The held lock. The kernel releases it when the process ends, also after a kill.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Why the lock cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another installer is at work.
    #[error("another installer is at work: process {holder}")]
    Busy {
        /// Its process id, as recorded in the lock file.
        holder: String,
    },
    /// The state directory is not usable.
    #[error(transparent)]
    File(#[from] FsError),
}

impl RunLock {
    /// Takes the lock, or returns which process holds it. Does not wait.
    pub fn take(layout: &Layout) -> Result<Self, LockError> {
        secure_fs::ensure_guarded(&layout.state(), 0o700)?;
        for dir in [layout.runs(), layout.store()] {
            if dir.symlink_metadata().is_ok() {
                secure_fs::check_guarded(&dir)?;
            }
        }
        let path = layout.lock();
        let mut file = secure_fs::open_lock(&path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            file.read_to_string(&mut holder)
                .map_err(at("read", &path))?;
            return Err(LockError::Busy {
                holder: holder.trim().to_owned(),
            });
        }
        // The id is only for people, so a torn one is harmless.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .map_err(at("write", &path))?;
        writeln!(file, "{}", std::process::id()).map_err(at("write", &path))?;
        Ok(Self { _file: file })
    }
}

/// Whether a process holds the lock now. The check holds it only for a moment.
#[must_use]
pub fn is_held(layout: &Layout) -> bool {
    let Ok(file) = secure_fs::open_read(&layout.lock()) else {
        return false;
    };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Returns the process that took the lock last, as far as it is recorded.
#[must_use]
pub fn holder(layout: &Layout) -> Option<u32> {
    let file = secure_fs::open_read(&layout.lock()).ok()?;
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_attempt_reports_the_first_process() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert!(!is_held(&layout));
        let first = RunLock::take(&layout).unwrap();
        assert!(is_held(&layout));
        assert_eq!(holder(&layout), Some(std::process::id()));
        let error = RunLock::take(&layout).unwrap_err();
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        RunLock::take(&layout).unwrap();
    }
}
