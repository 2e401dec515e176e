//! What is done and said after a run: limits of what is kept, and the copy of the installer that a
//! later `undo` uses.

use super::render;
use super::session::Session;
use crate::backup;
use crate::failure::chain;
use crate::history::report::{Outcome, RunReport};
use crate::history::{self, Retention};
use crate::plan::PlanKind;
use crate::run_unit::{self, Copies};
use crate::site_file;

const MIB: u64 = 1 << 20;

/// Returns the limits of the site's file, or the usual ones. A file that cannot be used is a warning
/// here: the run has ended.
fn limits(session: &Session) -> Retention {
    let mut limits = Retention::default();
    let values = site_file::read(&session.layout).unwrap_or_else(|error| {
        let why = chain(&error);
        render::warning(&format!(
            "the site's file does not limit what is kept: {why}"
        ));
        site_file::Values::new()
    });
    let number = |key| match values.get(key) {
        Some(site_file::Value::Number(number)) => Some(*number),
        _ => None,
    };
    if let Some(runs) = number("keep-runs") {
        limits.runs = usize::try_from(runs).unwrap_or(usize::MAX);
    }
    if let Some(mib) = number("keep-rpms-mib") {
        limits.store_bytes = mib.saturating_mul(MIB);
    }
    if let Some(mib) = number("keep-dumps-mib") {
        limits.backup_bytes = mib.saturating_mul(MIB);
    }
    limits
}

/// Removes what is beyond the limits. A failure is only a warning: the next run tries again.
pub(super) fn prune(session: &Session) {
    let limits = limits(session);
    if let Err(why) = history::prune(&session.layout, limits) {
        render::warning(&format!("old runs could not be removed: {why}"));
    }
    match backup::bound(&session.layout, limits.backup_bytes) {
        Ok(gone) => gone.iter().for_each(|run| {
            render::note(&format!(
                "the backup of run {run} was removed: all of them together were larger than the limit \
                 (keep-dumps-mib)"
            ));
        }),
        Err(why) => render::warning(&format!("old backups could not be removed: {why}")),
    }
}

/// Returns which copies of installers are of use now.
pub(super) fn copies(session: &Session) -> Copies {
    let Ok(past) = history::all(&session.layout) else {
        return Copies::ForUndo;
    };
    let has_backup = |id| !session.layout.run(id).backups().is_empty();
    // Of an undo, too, an undo is possible.
    let mut undoable = past.runs.iter().filter(|run| run.is_done());
    if undoable.any(|run| has_backup(run.id)) || !past.unreadable.is_empty() {
        Copies::ForUndo
    } else {
        Copies::Removed
    }
}

/// Removes the copies after backups or runs were removed, if none of them is of use any more.
pub(super) fn tidy_copies(session: &Session) {
    let is_open = history::open_run(&session.layout).map_or(true, |run| run.is_some());
    if !is_open
        && copies(session) == Copies::Removed
        && let Err(error) = run_unit::settle_copies(&session.layout, Copies::Removed)
    {
        let why = chain(&error);
        render::warning(&format!("the copy of the installer stays: {why}"));
    }
}

/// Returns how to undo a run, with a program that stays on this host.
pub(super) fn how_to_undo(session: &Session, report: &RunReport) -> String {
    let kept = session.layout.installer_for_undo();
    let is_undoable =
        report.outcome == Outcome::Done && !matches!(report.kind, PlanKind::Restore { .. });
    if is_undoable && kept.exists() {
        format!("  to go back: {} undo {}\n", kept.display(), report.run)
    } else {
        String::new()
    }
}
