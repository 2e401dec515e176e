//! Writes in trees that belong to other users.
//!
//! Backed-up trees belong to the services, whose users may swap names while root restores. So every
//! operation here holds the directory open and names only the last component in it. The path to the
//! directory follows no symlink that another user could have made. Owner, mode, times and
//! attributes are set on open descriptors.

mod content;
mod symlink;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, fchmod,
    fchown, fremovexattr, fsetxattr, fstat, fsync, futimens, mkdirat, open, openat, readlinkat,
    renameat, statat, symlinkat, unlinkat,
};

use serde::{Deserialize, Serialize};

use super::FsError;

mod moving;

pub use moving::Present;

/// Owner and times of a file, as a backup keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime_secs: i64,
    /// Nanoseconds of the modification time.
    pub mtime_nanos: u32,
}

/// A name in an open directory.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    name: OsString,
    path: PathBuf,
}

impl Place {
    /// Opens the directory that holds `path`.
    pub fn of(path: &Path) -> Result<Self, FsError> {
        let error = |source: io::Error| FsError::new("reach", path, source);
        let name = path
            .file_name()
            .ok_or_else(|| error(io::Error::other("it has no name")))?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        let dir = walk(parent).map_err(error)?;
        Ok(Self {
            dir,
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    fn failed(&self, operation: &'static str) -> impl Fn(rustix::io::Errno) -> FsError + '_ {
        move |error| FsError::new(operation, &self.path, error.into())
    }

    fn pending(&self) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".airgap-partial");
        name
    }

    fn publish(&self, pending: &OsStr) -> Result<(), FsError> {
        renameat(&self.dir, pending, &self.dir, &self.name).map_err(self.failed("rename to"))?;
        fsync(&self.dir).map_err(self.failed("sync the directory of"))
    }

    /// Creates a directory unless there is one; removes anything else at that name.
    pub fn restore_dir(&self) -> Result<(), FsError> {
        match self.stat()? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                return Ok(());
            }
            Some(_) => self.unlink(&self.name)?,
            None => {}
        }
        mkdirat(&self.dir, &self.name, Mode::RWXU).map_err(self.failed("create the directory"))?;
        fsync(&self.dir).map_err(self.failed("sync the directory of"))
    }

    /// Sets owner, mode, times and attributes of the existing file or directory. Attributes in
    /// `surplus` are removed.
    pub fn set_ownership(
        &self,
        owner: Ownership,
        xattrs: &[(String, Vec<u8>)],
        surplus: &[String],
    ) -> Result<(), FsError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.dir, &self.name, flags, Mode::empty());
        let file = File::from(file.map_err(self.failed("open"))?);
        let kind = FileType::from_raw_mode(fstat(&file).map_err(self.failed("look at"))?.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            let source = io::Error::other("it is neither a file nor a directory any more");
            return Err(FsError::new("change", &self.path, source));
        }
        self.dress(&file, owner, xattrs, surplus)
    }

    /// Sets everything but the content. Attributes follow the owner, because a change of owner
    /// drops file capabilities. Times come last, because everything else changes them.
    fn dress(
        &self,
        file: &File,
        owner: Ownership,
        xattrs: &[(String, Vec<u8>)],
        surplus: &[String],
    ) -> Result<(), FsError> {
        let (uid, gid) = ids(owner);
        fchown(file, uid, gid).map_err(self.failed("change the owner of"))?;
        fchmod(file, Mode::from_raw_mode(owner.mode & 0o7777))
            .map_err(self.failed("change the mode of"))?;
        // A directory's default ACL also applies to new files, where it is not intended.
        for name in ["system.posix_acl_access", "system.posix_acl_default"] {
            if !xattrs.iter().any(|(wanted, _)| wanted == name) {
                let _ = fremovexattr(file, name);
            }
        }
        for name in surplus
            .iter()
            .filter(|name| !name.starts_with("system.posix_acl_"))
        {
            fremovexattr(file, name.as_str()).map_err(self.failed("remove an attribute of"))?;
        }
        for (name, value) in xattrs {
            fsetxattr(file, name.as_str(), value, XattrFlags::empty())
                .map_err(self.failed("set an attribute of"))?;
        }
        futimens(file, &times(owner)).map_err(self.failed("set the times of"))
    }

    /// Moves what is there to `to`, below a directory of ours, across filesystems if needed.
    pub fn displace(&self, to: &Path) -> Result<(), FsError> {
        let target = Self::of(to)?;
        match renameat(&self.dir, &self.name, &target.dir, &target.name) {
            Ok(()) => {}
            Err(rustix::io::Errno::XDEV) => self.copy_away(&target)?,
            Err(error) => return Err(self.failed("move")(error)),
        }
        fsync(&self.dir).map_err(self.failed("sync the directory of"))?;
        fsync(&target.dir).map_err(self.failed("sync the directory of"))
    }

    fn copy_away(&self, target: &Self) -> Result<(), FsError> {
        let stat = self
            .stat()?
            .ok_or_else(|| self.failed("move")(rustix::io::Errno::NOENT))?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            let text = readlinkat(&self.dir, &self.name, Vec::new());
            let text = text.map_err(self.failed("read the symlink"))?;
            symlinkat(
                OsStr::from_bytes(text.as_bytes()),
                &target.dir,
                &target.name,
            )
            .map_err(target.failed("create the symlink"))?;
        } else {
            self.copy_file(target)?;
        }
        self.unlink(&self.name)
    }

    fn copy_file(&self, target: &Self) -> Result<(), FsError> {
        let reading = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let from = openat(&self.dir, &self.name, reading, Mode::empty());
        let mut from = File::from(from.map_err(self.failed("open"))?);
        target.unlink(&target.name)?;
        let writing = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let to = openat(&target.dir, &target.name, writing, Mode::RUSR | Mode::WUSR);
        let mut to = File::from(to.map_err(target.failed("create"))?);
        let copied = io::copy(&mut from, &mut to).and_then(|_| to.sync_all());
        if copied.is_err() {
            // A partial copy is useless and takes space.
            let _ = target.unlink(&target.name);
        }
        copied.map_err(|source| FsError::new("move", &self.path, source))
    }

    /// Removes what is there, unless it is a directory that is not empty.
    pub fn remove(&self) -> Result<(), FsError> {
        let Some(stat) = self.stat()? else {
            return Ok(());
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return self.unlink(&self.name);
        }
        match unlinkat(&self.dir, &self.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed("remove the directory")(error)),
        }
    }

    fn unlink(&self, name: &OsStr) -> Result<(), FsError> {
        match unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed("remove")(error)),
        }
    }

    fn stat(&self) -> Result<Option<Stat>, FsError> {
        match statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("look at")(error)),
        }
    }
}

fn ids(owner: Ownership) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(owner.uid)),
        Some(Gid::from_raw(owner.gid)),
    )
}

fn times(owner: Ownership) -> Timestamps {
    let stamp = Timespec {
        tv_sec: owner.mtime_secs,
        tv_nsec: owner.mtime_nanos.into(),
    };
    Timestamps {
        last_access: stamp,
        last_modification: stamp,
    }
}

/// Most symlinks on a path.
const LINKS_MAX: usize = 16;

/// Opens a directory component by component. A symlink on the path is followed only if it belongs
/// to root (or the caller) and lies in a directory where no other user can make one, as `/opt`
/// often is. Its target is walked in the same way.
fn walk(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let origin = if path.is_absolute() { "/" } else { "." };
    let mut dir = open(origin, flags, Mode::empty())?;
    let mut rest: VecDeque<OsString> = components(path);
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        let found = statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            dir = openat(&dir, &name, flags, Mode::empty())?;
            continue;
        }
        links += 1;
        if links > LINKS_MAX || !is_ours(&found) || !is_closed(&fstat(dir.as_fd())?) {
            return Err(io::Error::other(format!(
                "{} on the way is a symlink that a service could have made",
                Path::new(&name).display()
            )));
        }
        let target = readlinkat(&dir, &name, Vec::new())?;
        let target = Path::new(OsStr::from_bytes(target.as_bytes()));
        if target.is_absolute() {
            dir = open("/", flags, Mode::empty())?;
        }
        for component in components(target).into_iter().rev() {
            rest.push_front(component);
        }
    }
    Ok(dir)
}

fn components(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    named.collect()
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

fn is_closed(directory: &Stat) -> bool {
    is_ours(directory) && directory.st_mode & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Ownership {
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        Ownership {
            mode: 0o640,
            uid,
            gid,
            mtime_secs: 1_700_000_000,
            mtime_nanos: 5,
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is the attacker here")]
    fn a_symlink_in_the_files_place_is_replaced_and_its_target_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "untouched").unwrap();
        let path = dir.path().join("file");
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join(".file.airgap-partial")).unwrap();
        let place = Place::of(&path).unwrap();
        assert!(
            place.set_ownership(owner(), &[], &[]).is_err(),
            "a symlink is not followed"
        );
        place.restore_file(b"restored", owner(), &[]).unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"untouched");
        assert!(!path.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"restored");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is the attacker here")]
    fn a_path_through_another_users_symlink_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open_to_all = dir.path().join("shared");
        std::fs::create_dir(&open_to_all).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&open_to_all, mode).unwrap();
        std::os::unix::fs::symlink("/etc", open_to_all.join("apps")).unwrap();
        let error = Place::of(&open_to_all.join("apps/passwd")).unwrap_err();
        assert!(crate::failure::chain(&error).contains("symlink"), "{error}");
        std::os::unix::fs::symlink(&open_to_all, dir.path().join("ours")).unwrap();
        assert!(Place::of(&dir.path().join("ours/file")).is_ok());
    }
}
