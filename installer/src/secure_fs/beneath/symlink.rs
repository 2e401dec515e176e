//! Writes symlinks. A symlink cannot be opened for writing, so its attributes are set through an
//! open handle of the link itself.

use std::os::fd::AsRawFd as _;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, XattrFlags, chownat, fstat, openat, setxattr, symlinkat,
    utimensat,
};

use super::{Ownership, Place, ids, times};
use crate::secure_fs::FsError;

impl Place {
    /// Replaces what is there with a symlink with these attributes and owner.
    pub fn restore_symlink(
        &self,
        target: &str,
        owner: Ownership,
        xattrs: &[(String, Vec<u8>)],
    ) -> Result<(), FsError> {
        let pending = self.pending();
        self.unlink(&pending)?;
        symlinkat(target, &self.dir, &pending).map_err(self.failed("create the symlink"))?;
        let (uid, gid) = ids(owner);
        chownat(&self.dir, &pending, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(self.failed("change the owner of"))?;
        if !xattrs.is_empty() {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let link = openat(&self.dir, &pending, flags, Mode::empty());
            let link = link.map_err(self.failed("open"))?;
            let stat = fstat(&link).map_err(self.failed("look at"))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                let source = std::io::Error::other("another process replaced it");
                return Err(FsError::new("change", &self.path, source));
            }
            // The path of an open handle leads to the link itself and not to its target.
            let handle = format!("/proc/self/fd/{}", link.as_raw_fd());
            for (name, value) in xattrs {
                setxattr(&handle, name.as_str(), value, XattrFlags::empty())
                    .map_err(self.failed("set an attribute of"))?;
            }
        }
        utimensat(
            &self.dir,
            &pending,
            &times(owner),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(self.failed("set the times of"))?;
        self.publish(&pending)
    }
}
