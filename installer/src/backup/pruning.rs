//! Measures the backups of runs, and removes old ones (`install backup prune`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::document;
use crate::failure::chain;
use crate::history;
use crate::layout::{BackupDir, Layout, RunDir};
use crate::secure_fs;
use crate::stores::record::Dumps;

/// Returns how many bytes the backup of a run takes.
#[must_use]
pub fn size(run: &RunDir) -> u64 {
    let elsewhere = dumps_elsewhere(&run.backup());
    let all = run.backups().into_iter().chain(elsewhere);
    let files = all.flat_map(WalkDir::new).flatten();
    let sizes = files
        .filter_map(|found| found.metadata().ok())
        .filter(std::fs::Metadata::is_file);
    sizes.map(|metadata| metadata.len()).sum()
}

/// Removes old backups, and returns what was removed. The newest `keep` runs that have a backup
/// keep it, and so do an open run and the run that it undoes. A run that
/// cannot be read keeps its backup and does not count. One whose dumps are on a disk that is not there
/// keeps the list of them.
pub fn prune(layout: &Layout, keep: usize) -> Result<Vec<PathBuf>, String> {
    let mut runs = history::all(layout)?.runs;
    let needed = history::needed_by_open(&runs);
    runs.retain(|run| !layout.run(run.id).backups().is_empty());
    let last = runs.len().saturating_sub(keep);
    let mut gone = Vec::new();
    let may_go = |run: &&history::PastRun| {
        !needed.contains(&run.id) && !history::has_dumps_away(layout, run)
    };
    for run in runs[..last].iter().filter(may_go) {
        gone.extend(remove_backups(layout, run)?);
    }
    Ok(gone)
}

/// The list of dumps goes last: a later call finds by it what is left, and by the mark that it was on
/// the way.
fn remove_backups(layout: &Layout, run: &history::PastRun) -> Result<Vec<PathBuf>, String> {
    let dir = layout.run(run.id);
    let elsewhere = history::dumps_elsewhere(run);
    if elsewhere.is_some() {
        let marked = secure_fs::write_atomic(&dir.going(), b"", 0o600);
        marked.map_err(|error| chain(&error))?;
    }
    let gone: Vec<PathBuf> = elsewhere.into_iter().chain(dir.backups()).collect();
    gone.iter().try_for_each(|path| remove(path))?;
    let unmarked = secure_fs::remove_if_present(&dir.going());
    unmarked.map_err(|error| chain(&error))?;
    Ok(gone)
}

/// Returns the directories of dumps that lie outside the backup.
fn dumps_elsewhere(backup: &BackupDir) -> Vec<PathBuf> {
    let documents = [backup.dumps().document, backup.aside().document];
    let read = |document: &PathBuf| document::read::<Dumps>(document).ok()?.elsewhere;
    documents.iter().filter_map(read).collect()
}

/// Removes old backups until all of them together are within `limit` bytes, and returns the runs
/// that lost theirs: first those of runs that changed nothing, each oldest first. The backup of the
/// last run that can be undone stays, of whatever size, and so do those that an open run needs and
/// those of runs whose data were not put back.
pub fn bound(layout: &Layout, limit: u64) -> Result<Vec<u64>, String> {
    let runs = history::all(layout)?.runs;
    let mut sizes: BTreeMap<u64, u64> = runs
        .iter()
        .map(|run| (run.id, size(&layout.run(run.id))))
        .collect();
    // They stay, and so they leave less to the others.
    let away = history::away(layout, &runs);
    let kept = away.iter().filter_map(|id| sizes.remove(id));
    let limit = limit.saturating_sub(kept.sum());
    let gone = history::beyond(&runs, limit, &sizes);
    for run in runs.iter().filter(|run| gone.contains(&run.id)) {
        remove_backups(layout, run)?;
    }
    Ok(gone)
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() {
        secure_fs::remove_tree(path)
    } else {
        secure_fs::remove_if_present(path)
    };
    removed
        .and_then(|()| secure_fs::sync_parent(path))
        .map_err(|error| chain(&error))
}
