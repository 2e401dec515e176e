//! The system calls that read the files of a split bundle.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use manifests::reader::{Links, Medium, PartFault};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Directories of this host, including read-only media.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

impl Medium for Disk {
    type File = File;

    fn open(&self, path: &Path, links: Links) -> Result<(File, u64), PartFault> {
        let mut flags = OFlags::NONBLOCK;
        flags.set(OFlags::NOFOLLOW, links == Links::Refused);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(|source| match Errno::from_io_error(&source) {
                Some(Errno::NOENT) => PartFault::Missing,
                // The kernel returns these for a link, and for a socket or a device without driver.
                Some(Errno::LOOP | Errno::NXIO) => PartFault::NotAFile,
                _ => PartFault::Unreadable(source),
            })?;
        let metadata = file.metadata().map_err(PartFault::Unreadable)?;
        if metadata.is_file() {
            Ok((file, metadata.len()))
        } else {
            Err(PartFault::NotAFile)
        }
    }

    fn names(&self, directory: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        Ok(std::fs::read_dir(directory)?.map(move |entry| entry.map(name)))
    }

    fn has(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }
}

#[cfg(test)]
#[path = "medium/tests.rs"]
mod tests;
