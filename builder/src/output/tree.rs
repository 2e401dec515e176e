//! A directory that appears complete and synced, or not at all.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the room that the rename belongs to"
)]

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use manifests::bundle_path::BundlePath;
use tempfile::TempDir;

use super::{OutputError, directory_of, failed};

/// A private directory beside the place it will have. Dropping it removes it with all its files.
#[derive(Debug)]
#[must_use]
pub struct PendingTree {
    staging: TempDir,
    path: PathBuf,
    directories: BTreeSet<PathBuf>,
}

impl PendingTree {
    /// Starts a directory beside `path`. Whatever has that name, a link too, is not replaced.
    pub fn begin(path: &Path) -> Result<Self, OutputError> {
        if path.symlink_metadata().is_ok() {
            let source = io::Error::new(io::ErrorKind::AlreadyExists, "it is there already");
            return Err(failed(path, source));
        }
        let staging = tempfile::Builder::new()
            .prefix(".bundle-")
            .suffix(".partial")
            .tempdir_in(directory_of(path))
            .map_err(|source| failed(path, source))?;
        let directories = BTreeSet::from([staging.path().to_owned()]);
        Ok(Self {
            staging,
            path: path.to_owned(),
            directories,
        })
    }

    /// Makes a file. No other user can write below the directory, and a name of [`BundlePath`] leads
    /// nowhere else; all the same nothing that exists is opened.
    pub fn file(&mut self, below: &BundlePath) -> Result<File, OutputError> {
        let mut directory = self.staging.path().to_owned();
        let parts: Vec<&str> = below.as_str().split('/').collect();
        for part in parts.iter().take(parts.len() - 1) {
            directory.push(part);
            if self.directories.insert(directory.clone()) {
                std::fs::DirBuilder::new()
                    .mode(0o755)
                    .create(&directory)
                    .map_err(|source| self.failed(below, source))?;
            }
        }
        let mode = if below.is_executable() { 0o755 } else { 0o644 };
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(directory.join(below.file_name()))
            .and_then(|file| {
                file.set_permissions(Permissions::from_mode(mode))?;
                Ok(file)
            })
            .map_err(|source| self.failed(below, source))
    }

    /// Names the file that could not be written by where it would have been.
    #[must_use]
    pub fn failed(&self, below: &BundlePath, source: io::Error) -> OutputError {
        failed(&self.path.join(below.as_str()), source)
    }

    /// Syncs the directories and gives the tree its name; the files are synced by who wrote them.
    pub fn commit(self) -> Result<(), OutputError> {
        let Self {
            staging,
            path,
            directories,
        } = self;
        let attempt = || {
            for directory in &directories {
                std::fs::set_permissions(directory, Permissions::from_mode(0o755))?;
                File::open(directory)?.sync_all()?;
            }
            // Of what may have appeared meanwhile, a rename replaces nothing but an empty directory.
            std::fs::rename(staging.path(), &path)?;
            File::open(directory_of(&path))?.sync_all()
        };
        attempt().map_err(|source| failed(&path, source))?;
        // The temporary name is gone: there is nothing to remove.
        let _ = staging.keep();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_tree_appears_whole_or_not_at_all_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to");
        let name: BundlePath = "packages/0123456789abcdef/a.rpm".parse().unwrap();
        let mut tree = PendingTree::begin(&to).unwrap();
        tree.file(&name).unwrap().write_all(b"x").unwrap();
        drop(tree);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut tree = PendingTree::begin(&to).unwrap();
        tree.file(&name).unwrap().write_all(b"x").unwrap();
        assert!(tree.file(&name).is_err(), "the same name twice");
        tree.commit().unwrap();
        assert_eq!(std::fs::read(to.join(name.as_str())).unwrap(), b"x");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let error = PendingTree::begin(&to).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        let late = dir.path().join("late");
        let tree = PendingTree::begin(&late).unwrap();
        std::os::unix::fs::symlink(&to, &late).unwrap();
        tree.commit().unwrap_err();
        assert!(late.symlink_metadata().unwrap().is_symlink());
    }
}
