//! Stores the contents of backed-up files, each once under its digest.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::digest::{Sha256, copy, of_reader};

use crate::secure_fs::{self, FsError, at};

/// Largest content that is merged or shown: a merge keeps three of them, and its result, in memory.
const TEXT_MAX_BYTES: u64 = 8 << 20;
/// Why a larger one is not merged.
pub const TOO_LARGE: &str = "it is larger than 8 MiB, and only smaller files are merged";

/// A directory of contents named by digest, mode 0700.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: PathBuf,
}

/// A content that cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The backup was changed after it was made.
    #[error("the backup of {path} is damaged: its SHA-256 is {found}, not {expected}")]
    Damaged {
        /// The stored content.
        path: PathBuf,
        /// The digest in its name.
        expected: Sha256,
        /// The digest of its bytes.
        found: Sha256,
    },
}

impl Blobs {
    /// Opens the directory, and creates it if needed.
    pub fn open(dir: &Path) -> Result<Self, FsError> {
        secure_fs::ensure_dir(dir, 0o700)?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    /// Refers to a directory that is only read.
    #[must_use]
    pub(crate) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    fn path(&self, sha256: &Sha256) -> PathBuf {
        self.dir.join(sha256.to_string())
    }

    /// Stores the content of an open file, and returns its size and digest.
    pub fn store(&self, file: &mut File, path: &Path) -> Result<(u64, Sha256), BlobError> {
        let pending = self.dir.join("incoming.partial");
        secure_fs::remove_if_present(&pending)?;
        let mut out = secure_fs::create_new(&pending, 0o600)?;
        let (size, sha256) = copy(file, &mut out).map_err(at("back up", path))?;
        let target = self.path(&sha256);
        if self.holds(&sha256) {
            secure_fs::remove_if_present(&pending)?;
        } else {
            out.sync_all().map_err(at("sync", &pending))?;
            secure_fs::rename(&pending, &target)?;
        }
        Ok((size, sha256))
    }

    /// Whether a content is stored and undamaged.
    fn holds(&self, sha256: &Sha256) -> bool {
        let file = secure_fs::open_read(&self.path(sha256));
        file.is_ok_and(|mut file| of_reader(&mut file).is_ok_and(|(_, found)| found == *sha256))
    }

    /// Stores a content from memory.
    pub fn put(&self, sha256: &Sha256, bytes: &[u8]) -> Result<(), BlobError> {
        if !self.holds(sha256) {
            secure_fs::write_atomic(&self.path(sha256), bytes, 0o600)?;
        }
        Ok(())
    }

    /// Copies a content from another backup.
    pub fn import(&self, other: &Self, sha256: &Sha256) -> Result<(), BlobError> {
        let mut file = other.content(sha256)?;
        self.store(&mut file, &other.path(sha256)).map(drop)
    }

    /// Checks the digest of a content, which may be larger than the memory, and opens it.
    pub fn content(&self, sha256: &Sha256) -> Result<File, BlobError> {
        use std::io::Seek as _;
        let path = self.path(sha256);
        let mut file = secure_fs::open_read(&path)?;
        let (_, found) = of_reader(&mut file).map_err(at("read", &path))?;
        if found != *sha256 {
            return Err(BlobError::Damaged {
                path,
                expected: *sha256,
                found,
            });
        }
        file.rewind().map_err(at("read", &path))?;
        Ok(file)
    }

    /// Reads a content to merge or show it, and checks its digest; nothing if it is too large for that.
    pub fn load_text(&self, sha256: &Sha256) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.path(sha256);
        let size = path.symlink_metadata().map_err(at("look at", &path))?.len();
        if size > TEXT_MAX_BYTES {
            return Ok(None);
        }
        self.load(sha256).map(Some)
    }

    /// Reads a content, and checks its digest.
    pub fn load(&self, sha256: &Sha256) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        self.content(sha256)?
            .read_to_end(&mut bytes)
            .map_err(at("read", &self.path(sha256)))?;
        Ok(bytes)
    }
}
