//! Contents of files in trees that others own: from memory, or from an open file of ours.

use std::fs::File;
use std::io::{self, Read, Write as _};

use rustix::fs::{Mode, OFlags, fsync, openat};

use super::{Ownership, Place};
use crate::secure_fs::FsError;

impl Place {
    /// Replaces what is there by a file with these bytes, attributes and owner.
    pub fn restore_file(
        &self,
        bytes: &[u8],
        owner: Ownership,
        xattrs: &[(String, Vec<u8>)],
    ) -> Result<(), FsError> {
        self.replace(owner, xattrs, |mut file| file.write_all(bytes))
    }

    /// Replaces what is there by a copy of what `from` holds from where it stands.
    pub fn copy_from(
        &self,
        from: &mut dyn Read,
        owner: Ownership,
        xattrs: &[(String, Vec<u8>)],
    ) -> Result<(), FsError> {
        self.replace(owner, xattrs, |mut file| {
            io::copy(from, &mut file).map(drop)
        })
    }

    /// Removes what a write that was cut off left beside its name.
    pub fn sweep(&self) -> Result<(), FsError> {
        self.unlink(&self.pending())
    }

    fn replace(
        &self,
        owner: Ownership,
        xattrs: &[(String, Vec<u8>)],
        write: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), FsError> {
        let pending = self.pending();
        self.unlink(&pending)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.dir, &pending, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(file.map_err(self.failed("create"))?);
        let result = write(&file)
            .map_err(|source| FsError::new("write", &self.path, source))
            .and_then(|()| self.dress(&file, owner, xattrs, &[]))
            .and_then(|()| fsync(&file).map_err(self.failed("sync")))
            .and_then(|()| self.publish(&pending));
        if result.is_err() {
            // The first error is the one to report.
            let _ = self.unlink(&pending);
        }
        result
    }
}
