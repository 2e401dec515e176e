//! Configuration after a transaction. An upgrade carries edits over; an undo restores the
//! configuration of before the undone run and keeps later edits.

use super::error::StepError;
use super::state::{Note, State};
use super::{Context, StepResult, merge_edit};
use crate::backup::changes::YOURS;
use crate::backup::merge::{ThreeWay, merge};
use crate::backup::restore::restore;
use crate::backup::snapshot::{Kind, Snapshot};
use crate::plan::{InstallPlan, PlanKind};

/// Brings the configuration of a group to its target state.
pub(super) fn configure(context: &Context<'_>, state: &mut State, group: &str) -> StepResult {
    match context.plan.kind {
        PlanKind::Upgrade => merge_edit::carry(context, state, group),
        PlanKind::Undo { .. } => {
            let found = merge_back(context, state.saved.before()?)?;
            state
                .findings
                .notes
                .extend(found.into_iter().map(Note::Info));
            Ok(String::new())
        }
        PlanKind::Restore { .. } => Ok("configuration stays as it is".to_owned()),
    }
}

/// Merges the configuration of before the undone run with later edits, writes it, and returns notes
/// for a person.
fn merge_back(context: &Context<'_>, current: &Snapshot) -> Result<Vec<String>, StepError> {
    let undone = context.undone()?;
    let blobs = context.blobs()?;
    for entry in undone
        .before
        .entries
        .values()
        .chain(undone.after.entries.values())
    {
        if let Kind::File { sha256, .. } = &entry.kind {
            blobs.import(&undone.blobs, sha256)?;
        }
    }
    // A package that stays keeps its files, even where other files were before it came.
    let kept = kept_files(context, &undone.plan)?;
    let [before, after, current] =
        [&undone.before, &undone.after, current].map(|state| state.clone().without(&kept));
    let states = ThreeWay {
        before: &before,
        after: &after,
        current: &current,
    };
    let merged = merge(states, &blobs)?;
    let displaced = context.dir().displaced();
    restore(context.layout, &blobs, &merged.snapshot, &displaced)?;
    let notes_on = |paths: &[String], what: &str| -> Vec<String> {
        paths.iter().map(|path| format!("{path}: {what}")).collect()
    };
    let mut notes = notes_on(&merged.kept, "your later edit is kept");
    notes.extend(notes_on(&merged.merged, "merged with your later edit"));
    let beside = |(path, why): &(String, String)| {
        format!(
            "{path}: as before the undone run; bring over what you need from your later edit in \
             {path}{YOURS} ({why})"
        )
    };
    notes.extend(merged.beside.iter().map(beside));
    let conflict = "your later edit is kept; it conflicts with the state before the undone run";
    notes.extend(notes_on(&merged.conflicts, conflict));
    Ok(notes)
}

/// Returns the files of packages that came with the undone run and stay after its undo.
fn kept_files(context: &Context<'_>, undone: &InstallPlan) -> Result<Vec<String>, StepError> {
    let mut kept = Vec::new();
    for planned in undone.groups.iter().flat_map(|group| &group.packages) {
        let mut changes = context.plan.changes();
        let goes = changes.any(|change| change.package == planned.name);
        // Another package needs one that should have been removed and is still there.
        if !goes || (planned.from.is_none() && context.is_there(&planned.name)?) {
            kept.extend(planned.files.iter().cloned());
        }
    }
    Ok(kept)
}
