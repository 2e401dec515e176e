//! Limits what is kept of past runs: runs by number, RPMs and backups by size. The files of an open
//! run, of the newest finished run and of the last one that can be undone are always kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use manifests::digest::Sha256;

use super::{PastRun, effective};
use crate::failure::chain;
use crate::layout::Layout;
use crate::secure_fs;

/// Kinds of files in the store, by their extensions.
const KINDS: [&str; 2] = ["rpm", "extra"];

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The number of newest runs to keep.
    pub runs: usize,
    /// The size of RPMs in the store, in bytes.
    pub store_bytes: u64,
    /// The size of all backups with their dumps, in bytes.
    pub backup_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            runs: 20,
            store_bytes: 8 * 1024 * 1024 * 1024,
            backup_bytes: 64 * 1024 * 1024 * 1024,
        }
    }
}

/// Returns the open runs and those that they undo.
pub(crate) fn needed_by_open(runs: &[PastRun]) -> Vec<u64> {
    let open = runs.iter().filter(|run| run.is_open());
    open.flat_map(|run| [Some(run.id), run.plan.kind.earlier_run()])
        .flatten()
        .collect()
}

/// Returns the runs that may go: first those that changed nothing, each oldest first. A night of
/// failed tries must not remove the run that can be undone.
fn candidates(runs: &[PastRun]) -> Vec<&PastRun> {
    let needed = needed_by_open(runs);
    let newest = runs.last().map(|run| run.id);
    let undoable = effective(runs).last().map(|run| run.id);
    let stays = |id| needed.contains(&id) || Some(id) == newest || Some(id) == undoable;
    let mut candidates: Vec<&PastRun> = runs.iter().filter(|run| !stays(run.id)).collect();
    candidates.sort_by_key(|run| run.is_done());
    candidates
}

/// Returns the runs whose backups go so that the others together are within the limit. Pure.
#[must_use]
pub fn beyond(runs: &[PastRun], limit_bytes: u64, sizes: &BTreeMap<u64, u64>) -> Vec<u64> {
    let size = |id: &u64| sizes.get(id).copied().unwrap_or(0);
    let mut total: u64 = sizes.values().sum();
    let mut gone = Vec::new();
    for run in candidates(runs) {
        // What a run lost is there alone.
        let is_the_only_one = run
            .report
            .as_ref()
            .is_some_and(|report| report.outcome.has_differences());
        if total > limit_bytes && size(&run.id) > 0 && !is_the_only_one {
            total -= size(&run.id);
            gone.push(run.id);
        }
    }
    gone
}

/// Returns the runs to remove. Pure. `sizes` returns the stored size of an RPM.
fn expired(
    runs: &[PastRun],
    retention: Retention,
    sizes: &dyn Fn(&Sha256) -> u64,
    stay: &BTreeSet<u64>,
) -> Vec<u64> {
    let mut kept: Vec<&PastRun> = runs.iter().collect();
    let mut gone = Vec::new();
    for run in candidates(runs) {
        if stay.contains(&run.id) {
            continue;
        }
        let files: BTreeSet<Sha256> = kept.iter().flat_map(|run| run.plan.payload()).collect();
        let bytes: u64 = files.iter().map(sizes).sum();
        if kept.len() <= retention.runs && bytes <= retention.store_bytes {
            break;
        }
        kept.retain(|other| other.id != run.id);
        gone.push(run.id);
    }
    gone
}

/// Returns the directory with the dumps of a run, if the operator named one and it is there.
#[must_use]
pub fn dumps_elsewhere(run: &PastRun) -> Option<PathBuf> {
    let own = run.plan.dumps_elsewhere(run.id)?;
    secure_fs::check_own(&own).is_ok().then_some(own)
}

/// Whether a run has a list of dumps whose directory is not there, such as on a disk that is not
/// mounted. The list is the only way to find them again. What a cut off removal left is not away.
#[must_use]
pub fn has_dumps_away(layout: &Layout, run: &PastRun) -> bool {
    let backup = layout.run(run.id).backup();
    let lists = [backup.dumps().document, backup.aside().document];
    run.plan.dump_dir.is_some()
        && !layout.run(run.id).going().exists()
        && lists.iter().any(|list| list.exists())
        && dumps_elsewhere(run).is_none()
}

/// Returns the runs whose dumps are away. They stay.
#[must_use]
pub fn away(layout: &Layout, runs: &[PastRun]) -> BTreeSet<u64> {
    let away = runs.iter().filter(|run| has_dumps_away(layout, run));
    away.map(|run| run.id).collect()
}

/// What was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The removed runs.
    pub runs: Vec<u64>,
    /// A run that cannot be read. It keeps every stored file, because it is unknown which it needs.
    pub kept_by: Option<u64>,
}

/// Removes the runs beyond the limits, and every stored file that no kept run names. A run that
/// cannot be read stays, and so does one whose dumps are on a disk that is not there.
pub fn prune(layout: &Layout, retention: Retention) -> Result<Pruned, String> {
    let super::History { runs, unreadable } = super::all(layout)?;
    let size = |sha256: &Sha256| -> u64 {
        let places = [layout.stored_rpm(sha256), layout.stored_extra(sha256)];
        let there = places.iter().filter_map(|place| place.metadata().ok());
        there.map(|metadata| metadata.len()).sum()
    };
    let gone = expired(&runs, retention, &size, &away(layout, &runs));
    for id in &gone {
        let run = runs.iter().find(|run| run.id == *id);
        if let Some(dumps) = run.and_then(dumps_elsewhere) {
            let mark = secure_fs::write_atomic(&layout.run(*id).going(), b"", 0o600);
            mark.and_then(|()| secure_fs::remove_tree(&dumps))
                .map_err(|error| chain(&error))?;
        }
        secure_fs::remove_tree(&layout.run(*id)).map_err(|error| chain(&error))?;
    }
    let pruned = Pruned {
        kept_by: unreadable.first().map(|run| run.id),
        runs: gone,
    };
    if pruned.kept_by.is_some() {
        return Ok(pruned);
    }
    let gone = &pruned.runs;
    let kept = runs.iter().filter(|run| !gone.contains(&run.id));
    let needed: BTreeSet<Sha256> = kept.flat_map(|run| run.plan.payload()).collect();
    let Ok(entries) = std::fs::read_dir(layout.store()) else {
        return Ok(pruned);
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let sha256 = name
            .to_str()
            .and_then(|name| {
                name.split_once('.')
                    .filter(|(_, kind)| KINDS.contains(kind))
            })
            .and_then(|(sha256, _)| sha256.parse().ok());
        if sha256.is_some_and(|sha256: Sha256| !needed.contains(&sha256)) {
            secure_fs::remove_if_present(&entry.path()).map_err(|error| chain(&error))?;
        }
    }
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::report::Outcome;
    use crate::history::test_runs::past_run;
    use crate::plan::PlanKind;

    #[test]
    fn the_oldest_go_first_and_open_and_newest_runs_stay() {
        let done = |id| past_run(id, PlanKind::Upgrade, Some(Outcome::Done));
        let open = past_run(1, PlanKind::Upgrade, None);
        let runs = [open, done(2), done(3), done(4)];
        let gone = |runs_kept, bytes| {
            let retention = Retention {
                runs: runs_kept,
                store_bytes: bytes,
                ..Retention::default()
            };
            expired(&runs, retention, &|_| 10, &BTreeSet::new())
        };
        assert_eq!(gone(4, u64::MAX), Vec::<u64>::new());
        assert_eq!(gone(3, u64::MAX), [2]);
        assert_eq!(
            gone(0, u64::MAX),
            [2, 3],
            "the open run 1 and the newest stay"
        );
        assert_eq!(gone(9, 0), [2, 3], "as much as may go, if nothing suffices");
        assert_eq!(gone(9, 60), [2], "three runs of two RPMs of ten bytes fit");
        let cause = || "it failed".to_owned();
        let failed = |id| past_run(id, PlanKind::Upgrade, Some(Outcome::as_it_was(cause())));
        let retention = Retention {
            runs: 2,
            store_bytes: u64::MAX,
            ..Retention::default()
        };
        let runs = [done(1), failed(2), failed(3), failed(4)];
        assert_eq!(
            expired(&runs, retention, &|_| 10, &BTreeSet::new()),
            [2, 3],
            "the run that can be undone stays"
        );
    }

    #[test]
    fn backups_are_bounded_and_the_last_run_that_can_be_undone_keeps_its_own() {
        let done = |id| past_run(id, PlanKind::Upgrade, Some(Outcome::Done));
        let failed = |id| {
            let outcome = Outcome::as_it_was("it failed".to_owned());
            past_run(id, PlanKind::Upgrade, Some(outcome))
        };
        let differs = |id| {
            let outcome = Outcome::Reverted {
                cause: "it failed".to_owned(),
                differences: vec!["a file".to_owned()],
                data: None,
                as_it_is: None,
            };
            past_run(id, PlanKind::Upgrade, Some(outcome))
        };
        let runs = [
            done(1),
            failed(2),
            differs(3),
            done(4),
            failed(5),
            failed(6),
        ];
        let sizes: BTreeMap<u64, u64> = (1..=6).map(|id| (id, 10)).collect();
        let gone = |limit| beyond(&runs, limit, &sizes);
        assert_eq!(gone(60), Vec::<u64>::new());
        assert_eq!(gone(59), [2]);
        assert_eq!(gone(40), [2, 5]);
        assert_eq!(
            gone(0),
            [2, 5, 1],
            "4 can be undone, 3 is the only copy, 6 is the newest"
        );
        let retention = Retention {
            runs: 1,
            ..Retention::default()
        };
        let left = expired(
            &[done(1), failed(2), failed(3)],
            retention,
            &|_| 10,
            &BTreeSet::new(),
        );
        assert_eq!(
            left,
            [2],
            "the last one that can be undone stays, however many fail"
        );
    }

    /// The list of dumps on a disk that was not mounted went, and nothing named the dumps any more.
    #[test]
    fn a_run_whose_dumps_are_away_stays_until_they_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("root"));
        let disk = dir.path().join("disk");
        for id in 1..=2 {
            let mut run = past_run(id, PlanKind::Upgrade, Some(Outcome::Done));
            run.plan.dump_dir = Some(disk.display().to_string());
            let own = layout.run(id);
            let levels = [layout.state(), layout.runs(), own.to_path_buf()];
            for level in levels.into_iter().chain([own.backup().to_path_buf()]) {
                secure_fs::ensure_guarded(&level, 0o700).unwrap();
            }
            crate::document::write(&own.plan(), &run.plan).unwrap();
            crate::document::write(&own.report(), &run.report.unwrap()).unwrap();
            for path in [own.journal(), own.backup().dumps().document] {
                secure_fs::write_atomic(&path, b"", 0o600).unwrap();
            }
        }
        let one = Retention {
            runs: 1,
            ..Retention::default()
        };
        assert_eq!(prune(&layout, one).unwrap().runs, Vec::<u64>::new());
        assert!(layout.run(1).backup().dumps().document.exists());
        secure_fs::ensure_dir(&disk, 0o700).unwrap();
        secure_fs::ensure_dir(&disk.join("airgap-bundle-run-1"), 0o700).unwrap();
        assert_eq!(prune(&layout, one).unwrap().runs, [1]);
        assert!(!disk.join("airgap-bundle-run-1").exists());
    }
}
