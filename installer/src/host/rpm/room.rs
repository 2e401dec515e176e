//! Keeps rpm's Berkeley DB away from a full disk. There a query dies by a signal, and what it leaves
//! in the database's environment blocks every later rpm, ours and the administrator's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{HostError, QUERY, Rpm};
use crate::host::cmd::{self, CmdError, Finished};
use crate::secure_fs::{self, FsError};

/// The environment's files take about 1 MiB.
const ROOM_BYTES: u64 = 4 << 20;
/// The file that only a Berkeley DB database has.
const BERKELEY: &str = "Packages";
/// How the names of the environment's files begin.
const ENVIRONMENT: &str = "__db.";

impl Rpm {
    /// Asks the database. It is not opened where it has no room, and mended if the query did not end
    /// by itself.
    pub(super) fn ask_database(
        &self,
        args: &[&str],
        deadline: Duration,
    ) -> Result<Finished, HostError> {
        self.refuse_full()?;
        let asked = self.query(args, deadline);
        self.mend_after(&asked);
        asked
    }

    /// Refuses a Berkeley DB database whose filesystem has no room for its environment.
    pub(super) fn refuse_full(&self) -> Result<(), HostError> {
        let dbpath = self.dbpath()?;
        if !dbpath.join(BERKELEY).exists() {
            return Ok(());
        }
        let stat = rustix::fs::statvfs(&dbpath)
            .map_err(|error| FsError::new("measure", &dbpath, error.into()))?;
        // A query of root may use the blocks that are kept for root.
        let free_bytes = stat.f_bfree.saturating_mul(stat.f_frsize);
        if has_room(free_bytes, stat.f_blocks) {
            return Ok(());
        }
        Err(HostError::RpmNoRoom {
            directory: dbpath.display().to_string(),
            free_bytes,
        })
    }

    /// Removes the environment that a query left which a signal ended, unless another rpm is at work.
    pub(super) fn mend_after(&self, asked: &Result<Finished, HostError>) {
        let is_cut_off = match asked {
            Ok(finished) => finished.code.is_none(),
            Err(HostError::Command(error)) => matches!(error, CmdError::Deadline { .. }),
            Err(_) => false,
        };
        if !is_cut_off || !matches!(self.lock_holder(), Ok(None)) {
            return;
        }
        if let Ok(dbpath) = self.dbpath() {
            // The query's own failure is what is reported.
            let _ = remove_environment(&dbpath);
        }
    }

    /// Where the database is. It is asked for once.
    pub(super) fn dbpath(&self) -> Result<PathBuf, HostError> {
        if let Some(known) = self.dbpath.get() {
            return Ok(known.clone());
        }
        // Expanding a macro does not open the database.
        let finished = self.query(&["--eval", "%{_dbpath}"], QUERY)?.success()?;
        let relative = finished.stdout.trim().trim_start_matches('/');
        let found = self.root.join(relative);
        Ok(self.dbpath.get_or_init(|| found).clone())
    }

    /// Asks with open files, as [`Rpm::ask_database`] does.
    pub(super) fn ask_database_with(
        &self,
        args: &[&str],
        files: &[&std::fs::File],
        deadline: Duration,
    ) -> Result<Finished, HostError> {
        self.refuse_full()?;
        let asked = cmd::query_with("rpm", args, files, deadline).map_err(HostError::from);
        self.mend_after(&asked);
        asked
    }
}

/// Removes the files of a Berkeley DB environment.
pub(super) fn remove_environment(dbpath: &Path) -> Result<(), FsError> {
    for entry in std::fs::read_dir(dbpath).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(ENVIRONMENT) {
            secure_fs::remove_if_present(&entry.path())?;
        }
    }
    Ok(())
}

/// Some filesystems report no sizes at all.
const fn has_room(free_bytes: u64, blocks: u64) -> bool {
    free_bytes >= ROOM_BYTES || blocks == 0
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test makes a database's files"
)]
mod tests {
    use super::*;

    #[test]
    fn a_database_without_room_is_known_and_its_environment_goes_alone() {
        assert!(has_room(ROOM_BYTES, 1000) && has_room(0, 0));
        assert!(!has_room(0, 1000) && !has_room(ROOM_BYTES - 1, 1000));
        let dir = tempfile::tempdir().unwrap();
        for name in ["Packages", "__db.001", "__db.003", ".rpm.lock"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        remove_environment(dir.path()).unwrap();
        let left = std::fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".rpm.lock", "Packages"]);
    }
}
