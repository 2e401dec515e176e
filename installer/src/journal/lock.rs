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

/// The right to take the lock next. A process that hands a run over keeps it until the run's own
/// process has the lock: no other command comes in between.
#[derive(Debug)]
pub struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for the turn. Others keep it for a moment only.
    pub fn wait(layout: &Layout) -> Result<Self, FsError> {
        Self::with(layout, FlockOperation::LockExclusive)
    }

    fn with(layout: &Layout, operation: FlockOperation) -> Result<Self, FsError> {
        let path = layout.turn();
        let file = secure_fs::open_lock(&path)?;
        flock(&file, operation).map_err(|error| FsError::new("lock", &path, error.into()))?;
        Ok(Self { _file: file })
    }
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
    /// Takes the lock unless a run is being handed over. Does not wait.
    pub fn take_in_turn(layout: &Layout) -> Result<Self, LockError> {
        guard(layout)?;
        let Ok(_turn) = Turn::with(layout, FlockOperation::NonBlockingLockExclusive) else {
            let holder = holder(layout).map_or_else(String::new, |holder| holder.to_string());
            return Err(LockError::Busy { holder });
        };
        Self::take(layout)
    }

    /// Takes the lock, or returns which process holds it. Does not wait. The process of a run takes it
    /// so: the run was handed over to it.
    pub fn take(layout: &Layout) -> Result<Self, LockError> {
        guard(layout)?;
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

fn guard(layout: &Layout) -> Result<(), FsError> {
    secure_fs::ensure_guarded(&layout.state(), 0o700)?;
    for dir in [layout.runs(), layout.store()] {
        if dir.symlink_metadata().is_ok() {
            secure_fs::check_guarded(&dir)?;
        }
    }
    Ok(())
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

    /// Between the hand-over of a run and the start of its unit no process holds the lock: `plan` took it
    /// then, and the run did not begin.
    #[test]
    fn a_run_that_is_handed_over_is_the_next_to_take_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let caller = RunLock::take_in_turn(&layout).unwrap();
        let turn = Turn::wait(&layout).unwrap();
        drop(caller);
        let error = RunLock::take_in_turn(&layout).unwrap_err();
        assert!(matches!(error, LockError::Busy { .. }), "{error}");
        let run = RunLock::take(&layout).unwrap();
        drop(turn);
        RunLock::take_in_turn(&layout).unwrap_err();
        drop(run);
        RunLock::take_in_turn(&layout).unwrap();
    }
}
