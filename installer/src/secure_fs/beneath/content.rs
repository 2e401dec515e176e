//! Writes contents of files in trees that belong to other users: from memory, or from an open file
//! of ours.

use std::fs::File;
use std::io::{self, Read, Write as _};

use rustix::fs::{Mode, OFlags, fsync, openat};

use super::{Ownership, Place};
use crate::secure_fs::FsError;

impl Place {
    /// Replaces what is there with a file with these bytes, attributes and owner.
    pub fn restore_file(
        &self,
        bytes: &[u8],
        owner: Ownership,
        xattrs: &[(String, Vec<u8>)],
    ) -> Result<(), FsError> {
        self.replace(owner, xattrs, |mut file| file.write_all(bytes))
    }

    /// Replaces what is there with a copy of `from`, from its current position.
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

    /// Removes the temporary file that an interrupted write left.
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::secure_fs::create_new;

    fn owner(mode: u32) -> Ownership {
        Ownership {
            mode,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            mtime_secs: 1_700_000_000,
            mtime_nanos: 0,
        }
    }

    #[test]
    fn a_copy_is_whole_has_its_attributes_and_replaces_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.so");
        let place = Place::of(&path).unwrap();
        for (text, mode) in [("first", 0o640), ("second, longer", 0o600)] {
            place
                .copy_from(&mut text.as_bytes(), owner(mode), &[])
                .unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            let metadata = path.metadata().unwrap();
            assert_eq!(
                (metadata.mode() & 0o7777, metadata.mtime()),
                (mode, 1_700_000_000)
            );
        }
    }

    #[test]
    fn a_write_that_fails_or_was_cut_off_leaves_the_old_file_alone_and_nothing_beside_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("torn"))
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.so");
        let place = Place::of(&path).unwrap();
        place.restore_file(b"old", owner(0o600), &[]).unwrap();
        let torn = place.copy_from(&mut Broken, owner(0o600), &[]);
        assert!(torn.is_err());
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names(), 1);
        create_new(&dir.path().join(".auth.so.airgap-partial"), 0o600).unwrap();
        place.sweep().unwrap();
        assert_eq!(names(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
}
