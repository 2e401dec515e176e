//! Past runs, read from their directories.

mod effective;
mod installer;
pub mod report;
mod retention;
#[cfg(test)]
pub(crate) mod test_runs;
mod unreadable;

use crate::document::{self, ReadError};
use crate::failure::{Exit, Failure, chain};
use crate::history::report::{Outcome, RunReport};
use crate::layout::Layout;
use crate::plan::{Earlier, InstallPlan, PackageChange, PlannedRpm};
use crate::secure_fs;

pub use effective::effective;
pub use installer::{Installer, advice, program, refuse_newer};
pub(crate) use retention::needed_by_open;
pub use retention::{Pruned, Retention, away, beyond, dumps_elsewhere, has_dumps_away, prune};
pub use unreadable::Unreadable;

/// A past run, or one that was interrupted.
#[derive(Debug)]
pub struct PastRun {
    /// Its number.
    pub id: u64,
    /// Its plan.
    pub plan: InstallPlan,
    /// How it ended; `None` if it was interrupted.
    pub report: Option<RunReport>,
}

/// The runs of a host.
#[derive(Debug, Default)]
pub struct History {
    /// Runs that this installer can read, in ascending order.
    pub runs: Vec<PastRun>,
    /// The other runs, in ascending order.
    pub unreadable: Vec<Unreadable>,
}

/// Returns the numbers of all runs in ascending order.
pub fn ids(layout: &Layout) -> Result<Vec<u64>, String> {
    let unlisted = |error| format!("cannot list {}: {error}", layout.runs().display());
    let entries = match std::fs::read_dir(layout.runs()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unlisted(error)),
    };
    for dir in [layout.state(), layout.runs()] {
        secure_fs::check_guarded(&dir).map_err(|error| chain(&error))?;
    }
    let mut ids: Vec<u64> = Vec::new();
    for entry in entries {
        let name = entry.map_err(unlisted)?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        let Some(id) = id.filter(|id: &u64| name == *id.to_string()) else {
            continue;
        };
        match secure_fs::check_own(&layout.run(id)) {
            Ok(()) => ids.push(id),
            // A run that ends removes old ones.
            Err(error) if error.is_not_found() => {}
            // Others may have written what is in it: a run may be open, and no document counts.
            Err(error) => return Err(chain(&error)),
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Reads one run; `None` for a run without a complete plan, which had no journal and no effect.
pub fn load(layout: &Layout, id: u64) -> Result<Option<PastRun>, String> {
    let dir = layout.run(id);
    if !dir.plan().exists() || !dir.journal().exists() {
        return Ok(None);
    }
    let read = || -> Result<PastRun, ReadError> {
        let plan = document::read(&dir.plan())?;
        let report = document::read_if_present(&dir.report())?;
        Ok(PastRun { id, plan, report })
    };
    read().map(Some).map_err(|error| chain(&error))
}

/// Reads all runs. An unreadable run does not hide the others.
pub fn all(layout: &Layout) -> Result<History, String> {
    let mut history = History::default();
    for id in ids(layout)? {
        match load(layout, id) {
            Ok(run) => history.runs.extend(run),
            Err(why) => history.unreadable.push(Unreadable::look(layout, id, why)),
        }
    }
    Ok(history)
}

impl PastRun {
    /// Returns the run in the form that planners use.
    #[must_use]
    pub fn earlier(&self) -> Earlier<'_> {
        Earlier {
            id: self.id,
            plan: &self.plan,
            is_done: self.is_done(),
        }
    }

    /// Whether the run ended as done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let report = self.report.as_ref();
        report.is_some_and(|report| report.outcome == Outcome::Done)
    }

    /// Whether the host may still be between two states because the run was interrupted or its
    /// revert failed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let failed = |report: &RunReport| matches!(report.outcome, Outcome::RevertFailed { .. });
        self.report.as_ref().is_none_or(failed)
    }
}

/// Returns the open run, if there is one. No other run may start before it is closed.
pub fn open_run(layout: &Layout) -> Result<Option<PastRun>, Failure> {
    let history = all(layout).map_err(|why| {
        let next = "run it as root; if it was root, correct what the reason names";
        Failure::new(Exit::Internal, "cannot read the history", why, next)
    })?;
    let open = history.unreadable_open().map(Unreadable::refused);
    match open {
        Some(refused) => Err(refused),
        None => Ok(history.runs.into_iter().find(PastRun::is_open)),
    }
}

/// Returns the RPMs that past runs left in the store.
pub fn stored(layout: &Layout) -> Result<Vec<PlannedRpm>, String> {
    let mut rpms: Vec<PlannedRpm> = Vec::new();
    for run in all(layout)?.runs {
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

#[cfg(test)]
mod tests;
