//! How far a restore has come. A stopped server cannot be asked again, and the files in its
//! directory do not show whether they are old or new. So each step is recorded before it starts.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::access::Address;
use super::server_files::Home;
use crate::document::{self, Document};
use crate::failure::chain;
use crate::layout::Layout;
use crate::secure_fs::{self, FsError, Present};
use crate::stores::StoreError;

/// A file or directory that was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Old {
    pub(super) name: String,
    /// Its attributes; unknown for an entry that is neither file nor directory.
    pub(super) present: Option<Present>,
}

/// A restore in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Course {
    pub(super) home: Home,
    /// The directory, inside the server's own, that keeps the old files.
    pub(super) aside: String,
    /// The last bytes of the dump, which are its checksum.
    pub(super) dump: Vec<u8>,
    /// The old files to move aside; known once the server is stopped.
    pub(super) old: Option<Vec<Old>>,
    /// Whether the dump is in its place.
    pub(super) is_placed: bool,
}

impl Document for Course {
    const TYPE: &'static str = "airgap-bundle/redis-restore/1";
}

/// The file that records a restore in progress.
#[derive(Debug)]
pub(super) struct ProgressFile {
    path: PathBuf,
}

impl ProgressFile {
    pub(super) fn new(layout: &Layout, run: u64, address: &Address) -> Self {
        let plain = |letter: char| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => letter,
            _ => '_',
        };
        let host: String = address.host.chars().map(plain).collect();
        let name = format!("redis-{run}-{host}-{}.json", address.port);
        let path = layout.state().join("restoring").join(name);
        Self { path }
    }

    pub(super) fn read(&self) -> Result<Option<Course>, StoreError> {
        let unread = |why: String| {
            StoreError::new(
                format!(
                    "the record of an unfinished restore, {}",
                    self.path.display()
                ),
                why,
                "look at the directory of the server for what was moved aside, start the server, \
                 remove the record, and run again",
            )
        };
        if self.path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let file = secure_fs::open_read(&self.path).map_err(|error| unread(chain(&error)))?;
        secure_fs::check_file(&file, &self.path).map_err(|error| unread(chain(&error)))?;
        document::read_if_present(&self.path).map_err(|error| unread(chain(&error)))
    }

    pub(super) fn write(&self, course: &Course) -> Result<(), FsError> {
        if let Some(dir) = self.path.parent() {
            secure_fs::ensure_dir(dir, 0o700)?;
        }
        let text = document::to_bytes(course)
            .map_err(|error| FsError::new("write", &self.path, error.into()))?;
        secure_fs::write_atomic(&self.path, &text, 0o600)
    }

    pub(super) fn remove(&self) -> Result<(), FsError> {
        secure_fs::remove_if_present(&self.path)
    }
}
