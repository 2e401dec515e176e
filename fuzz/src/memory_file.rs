//! A file that has a path but no disk, for readers that open what they read.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};

/// A file in memory. It goes when it is dropped.
#[derive(Debug)]
pub struct MemoryFile(File);

impl MemoryFile {
    /// Makes a file of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(bytes).unwrap();
        Self(file)
    }

    /// Returns its path, valid as long as it lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}
