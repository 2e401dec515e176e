//! Backups that are not wanted any more.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::failure::chain;
use crate::history;
use crate::layout::Layout;
use crate::secure_fs;

/// What a run's directory has of a backup, plain or sealed.
fn parts(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let is_backup =
        |name: &str| matches!(name, "backup" | "backup.age") || name.starts_with("displaced");
    let paths = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_backup));
    paths.map(|entry| entry.path()).collect()
}

/// Returns how many bytes the backup of a run takes.
#[must_use]
pub fn size(run: &Path) -> u64 {
    let files = parts(run).into_iter().flat_map(WalkDir::new).flatten();
    let sizes = files
        .filter_map(|found| found.metadata().ok())
        .filter(std::fs::Metadata::is_file);
    sizes.map(|metadata| metadata.len()).sum()
}

/// Removes the backups of all but the newest `keep` runs that have one, and never that of an open run.
/// Returns what was removed.
pub fn prune(layout: &Layout, keep: usize) -> Result<Vec<PathBuf>, String> {
    let mut runs = history::all(layout)?;
    runs.retain(|run| !parts(&layout.run(run.id)).is_empty());
    let last = runs.len().saturating_sub(keep);
    let mut gone = Vec::new();
    for run in runs[..last].iter().filter(|run| !run.is_open()) {
        for path in parts(&layout.run(run.id)) {
            let removed = if path.is_dir() {
                secure_fs::remove_tree(&path)
            } else {
                secure_fs::remove_if_present(&path)
            };
            removed
                .and_then(|()| secure_fs::sync_parent(&path))
                .map_err(|error| chain(&error))?;
            gone.push(path);
        }
    }
    Ok(gone)
}
