//! Past runs, read from their directories.

mod effective;
pub mod report;
mod retention;
#[cfg(test)]
pub(crate) mod test_runs;

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::failure::chain;
use crate::history::report::{Outcome, RunReport};
use crate::layout::Layout;
use crate::plan::{Earlier, InstallPlan, PackageChange, PlannedRpm};
use crate::secure_fs;

pub use effective::effective;
pub use retention::{Retention, prune};

/// A run of the past, or one that was cut off.
#[derive(Debug)]
pub struct PastRun {
    /// Its number.
    pub id: u64,
    /// What it was to do.
    pub plan: InstallPlan,
    /// How it ended; nothing if it was cut off.
    pub report: Option<RunReport>,
}

/// Reads a JSON document of ours.
pub(crate) fn read_document<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let bytes =
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("{} is damaged: {}", path.display(), chain(&error)))
}

/// Returns the numbers of all runs, rising.
pub fn ids(layout: &Layout) -> Result<Vec<u64>, String> {
    let entries = match std::fs::read_dir(layout.runs()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot list {}: {error}", layout.runs().display())),
    };
    for dir in [layout.state(), layout.runs()] {
        secure_fs::check_guarded(&dir).map_err(|error| chain(&error))?;
    }
    let mut ids: Vec<u64> = entries
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
        })
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Reads one run. A run whose plan was never complete had no journal and no effect: it is left out.
pub fn load(layout: &Layout, id: u64) -> Result<Option<PastRun>, String> {
    let dir = layout.run(id);
    if !dir.join("plan.json").exists() || !dir.join("journal").exists() {
        return Ok(None);
    }
    secure_fs::check_own(&dir).map_err(|error| chain(&error))?;
    let plan = read_document(&dir.join("plan.json"))?;
    let path = dir.join("report.json");
    let report = if path.exists() {
        Some(read_document(&path)?)
    } else {
        None
    };
    Ok(Some(PastRun { id, plan, report }))
}

/// Reads all runs, rising.
pub fn all(layout: &Layout) -> Result<Vec<PastRun>, String> {
    let mut runs = Vec::new();
    for id in ids(layout)? {
        runs.extend(load(layout, id)?);
    }
    Ok(runs)
}

impl PastRun {
    /// Returns the run as planners see it.
    #[must_use]
    pub fn earlier(&self) -> Earlier<'_> {
        Earlier {
            id: self.id,
            plan: &self.plan,
            is_done: self.is_done(),
        }
    }

    /// Whether it ended as done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let report = self.report.as_ref();
        report.is_some_and(|report| report.outcome == Outcome::Done)
    }

    /// Whether the host may still be between two states: the run was cut off, or its revert failed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let failed = |report: &RunReport| matches!(report.outcome, Outcome::RevertFailed { .. });
        self.report.as_ref().is_none_or(failed)
    }
}

/// Returns the run that is still open, if there is one. No other run may start before it is closed.
pub fn open_run(layout: &Layout) -> Result<Option<PastRun>, String> {
    Ok(all(layout)?.into_iter().find(PastRun::is_open))
}

/// Returns the RPMs that past runs left in the store.
pub fn stored(layout: &Layout) -> Result<Vec<PlannedRpm>, String> {
    let mut rpms: Vec<PlannedRpm> = Vec::new();
    for run in all(layout)? {
        for rpm in run.plan.changes().flat_map(PackageChange::rpms) {
            let is_new = rpms.iter().all(|known| known.sha256 != rpm.sha256);
            if is_new && layout.stored_rpm(&rpm.sha256).exists() {
                rpms.push(rpm.clone());
            }
        }
    }
    Ok(rpms)
}

/// Returns the number of the next run.
pub fn next_id(layout: &Layout) -> Result<u64, String> {
    Ok(ids(layout)?.last().copied().unwrap_or(0) + 1)
}
