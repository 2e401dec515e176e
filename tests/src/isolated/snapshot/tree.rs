//! One tree of files, without following a symlink.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::isolated::cache::hex;
use crate::isolated::error::{HostError, Result};
use crate::isolated::guest::Guest;

const PERMISSIONS: u32 = 0o7777;

/// The state of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// `file`, `directory`, `symlink` or `special`.
    pub kind: &'static str,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds, of regular files only. A directory's time reveals less than the
    /// check of its entries.
    pub mtime: Option<(i64, i64)>,
    /// sha256 of a regular file, target of a symlink.
    pub content: Option<String>,
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:04o} {}:{}",
            self.kind, self.mode, self.uid, self.gid
        )?;
        self.content
            .iter()
            .try_for_each(|content| write!(f, " {content}"))
    }
}

impl Guest {
    /// Adds what is below `tree` (and the tree itself) to `files`; a missing tree adds nothing.
    pub(super) fn walk_tree(
        &self,
        tree: &Path,
        files: &mut BTreeMap<PathBuf, FileState>,
    ) -> Result<()> {
        let Some((_open, reach)) = self.open_tree(tree) else {
            return Ok(());
        };
        for entry in WalkDir::new(&reach) {
            let entry = entry.map_err(|error| HostError::Malformed {
                path: tree.to_owned(),
                reason: error.to_string(),
            })?;
            let inside = entry.path().strip_prefix(&reach).unwrap_or(Path::new(""));
            let here = if inside.as_os_str().is_empty() {
                reach.join(".")
            } else {
                entry.path().to_owned()
            };
            files.insert(tree.join(inside), file_state(&here)?);
        }
        Ok(())
    }
}

fn file_state(path: &Path) -> Result<FileState> {
    let metadata = crate::isolated::files::stat(path)?;
    let kind = kind(metadata.file_type());
    Ok(FileState {
        kind,
        mode: metadata.mode() & PERMISSIONS,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: metadata
            .is_file()
            .then(|| (metadata.mtime(), metadata.mtime_nsec())),
        content: content(path, &metadata)?,
    })
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_file() {
        "file"
    } else if file_type.is_dir() {
        "directory"
    } else if file_type.is_symlink() {
        "symlink"
    } else if file_type.is_fifo() {
        "fifo"
    } else {
        "special"
    }
}

fn content(path: &Path, metadata: &Metadata) -> Result<Option<String>> {
    if metadata.is_symlink() {
        let target = std::fs::read_link(path).map_err(HostError::io("read link", path))?;
        return Ok(Some(target.display().to_string()));
    }
    if !metadata.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(HostError::io("read", path))?;
    Ok(Some(hex(&Sha256::digest(bytes))))
}
