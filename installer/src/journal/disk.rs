//! Where a journal's bytes go: a file on the host's disk, or a failing disk in tests.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::secure_fs::{self, FsError};

/// Opens the files of journals and reserves for writing.
pub trait Disk {
    /// Takes an open file, and returns the means to write it.
    fn open(&self, file: File) -> Box<dyn DiskFile>;
}

/// The host's own disk.
#[derive(Debug, Clone, Copy)]
pub struct HostDisk;

impl Disk for HostDisk {
    fn open(&self, file: File) -> Box<dyn DiskFile> {
        Box::new(file)
    }
}

/// The effects of a journal, or of a reserve, on the disk.
pub trait DiskFile: Debug {
    /// Allocates `bytes` on disk without changing existing content.
    fn reserve(&mut self, path: &Path, bytes: u64) -> Result<(), FsError>;
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written so far survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
    /// Truncates the file to its first `length` bytes; the next write goes there.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl DiskFile for File {
    fn reserve(&mut self, path: &Path, bytes: u64) -> Result<(), FsError> {
        secure_fs::reserve_space(self, path, bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }
}
