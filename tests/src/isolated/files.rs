//! Files of the host, by the paths that the host itself uses.
//!
//! Every path is resolved with the host's root as `/` (`RESOLVE_IN_ROOT`): through its mounts while
//! it runs, in its merged root while it is off.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, fchmod, mkdirat, open, openat2, unlinkat};
use rustix::io::Errno;

use super::error::{HostError, Result};
use super::guest::Guest;

const DIRECTORY_MODE: u32 = 0o755;

impl Guest {
    /// Reads a whole file.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        self.open(path, OFlags::RDONLY, 0)
            .map(File::from)
            .map_err(HostError::errno("open", path))?
            .read_to_end(&mut bytes)
            .map_err(HostError::io("read", path))?;
        Ok(bytes)
    }

    /// Returns whether something has this path (a dangling symlink does not count).
    #[must_use]
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.open(path.as_ref(), OFlags::PATH, 0).is_ok()
    }

    /// Writes a file in place, as an editor would: an existing one keeps its owner. Missing parent
    /// directories are made.
    pub fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        let path = path.as_ref();
        self.make_parents(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let mut file = self
            .open(path, flags, mode)
            .map(File::from)
            .map_err(HostError::errno("open", path))?;
        file.write_all(bytes.as_ref())
            .map_err(HostError::io("write", path))?;
        fchmod(&file, Mode::from_raw_mode(mode)).map_err(HostError::errno("chmod", path))
    }

    /// Copies a file of this machine into the host, replacing what has that name there, even a
    /// running program.
    pub fn copy_in(
        &self,
        source: impl AsRef<Path>,
        path: impl AsRef<Path>,
        mode: u32,
    ) -> Result<()> {
        let (source, path) = (source.as_ref(), path.as_ref());
        let mut from = File::open(source).map_err(HostError::io("open", source))?;
        self.make_parents(path)?;
        self.remove(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut to = self
            .open(path, flags, mode)
            .map(File::from)
            .map_err(HostError::errno("create", path))?;
        std::io::copy(&mut from, &mut to).map_err(HostError::io("copy to", path))?;
        fchmod(&to, Mode::from_raw_mode(mode)).map_err(HostError::errno("chmod", path))
    }

    /// Removes a file or symlink; a missing one is already removed.
    pub fn remove(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let parent = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default();
        let removed = self
            .open(parent, OFlags::PATH | OFlags::DIRECTORY, 0)
            .and_then(|parent| unlinkat(parent, name, AtFlags::empty()));
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(HostError::errno("remove", path)(errno)),
        }
    }

    /// Opens `path` for this process to walk: an fd, and the path by which to reach it.
    pub(super) fn open_tree(&self, path: &Path) -> Option<(OwnedFd, PathBuf)> {
        let tree = self.open(path, OFlags::PATH, 0).ok()?;
        let reach = PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd()));
        Some((tree, reach))
    }

    fn make_parents(&self, path: &Path) -> Result<()> {
        let mut missing: Vec<&Path> = path
            .ancestors()
            .skip(1)
            .take_while(|parent| !self.exists(parent))
            .collect();
        while let Some(directory) = missing.pop() {
            let parent = directory.parent().unwrap_or(Path::new("/"));
            self.open(parent, OFlags::PATH | OFlags::DIRECTORY, 0)
                .and_then(|parent| {
                    let name = directory.file_name().unwrap_or_default();
                    mkdirat(parent, name, Mode::from_raw_mode(DIRECTORY_MODE))
                })
                .map_err(HostError::errno("make directory", directory))?;
        }
        Ok(())
    }

    fn open(&self, path: &Path, flags: OFlags, mode: u32) -> rustix::io::Result<OwnedFd> {
        let root = open(
            self.live_root(),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        openat2(
            root,
            path,
            flags | OFlags::CLOEXEC,
            Mode::from_raw_mode(mode),
            ResolveFlags::IN_ROOT,
        )
    }

    fn live_root(&self) -> PathBuf {
        self.leader().map_or_else(
            |_| self.root().to_owned(),
            |leader| PathBuf::from(format!("/proc/{}/root", leader.pid)),
        )
    }
}

/// The metadata of what stands at `path` itself.
pub(super) fn stat(path: &Path) -> Result<fs::Metadata> {
    fs::symlink_metadata(path).map_err(HostError::io("stat", path))
}
