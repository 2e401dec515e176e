//! Describes what is at a place, and replaces it with files too large for memory.

use std::fs::File;
use std::io::{self, Seek as _};

use rustix::fs::{FileType, Mode, OFlags, fstat, fsync, openat};
use serde::{Deserialize, Serialize};

use super::{Ownership, Place};
use crate::secure_fs::FsError;

/// The attribute of `SELinux`.
const LABEL: &str = "security.selinux";

/// The current state of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Owner, mode and times.
    pub owner: Ownership,
    /// `SELinux` label, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Vec<u8>>,
}

impl Present {
    /// Returns the attributes for a file in its place.
    #[must_use]
    pub fn attributes(&self) -> Vec<(String, Vec<u8>)> {
        let label = self.label.iter();
        label
            .map(|label| (LABEL.to_owned(), label.clone()))
            .collect()
    }
}

impl Place {
    /// Whether the name exists, including a symlink that leads nowhere.
    pub fn is_taken(&self) -> Result<bool, FsError> {
        Ok(self.stat()?.is_some())
    }

    /// Describes the file or directory that is there; returns nothing for any other kind.
    pub fn present(&self) -> Result<Option<Present>, FsError> {
        let kind = self
            .stat()?
            .map(|stat| FileType::from_raw_mode(stat.st_mode));
        if !matches!(kind, Some(FileType::RegularFile | FileType::Directory)) {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.dir, &self.name, flags, Mode::empty());
        let file = File::from(file.map_err(self.failed("open"))?);
        let stat = fstat(&file).map_err(self.failed("look at"))?;
        let owner = Ownership {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime_secs: stat.st_mtime,
            mtime_nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        };
        // A filesystem without attributes has no labels.
        let label = xattr::FileExt::get_xattr(&file, LABEL).unwrap_or(None);
        Ok(Some(Present { owner, label }))
    }

    /// Replaces what is there with a copy of an open file, from its start.
    pub fn restore_copy(&self, mut from: &File, like: &Present) -> Result<(), FsError> {
        let pending = self.pending();
        self.unlink(&pending)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, &pending, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(self.failed("create"))?);
        let copied = from.rewind().and_then(|()| io::copy(&mut from, &mut file));
        let result = copied
            .map_err(|source| FsError::new("write", &self.path, source))
            .and_then(|_| self.dress(&file, like.owner, &like.attributes(), &[]))
            .and_then(|()| fsync(&file).map_err(self.failed("sync")))
            .and_then(|()| self.publish(&pending));
        if result.is_err() {
            // The first error is the one to report.
            let _ = self.unlink(&pending);
        }
        result
    }
}
