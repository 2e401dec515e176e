//! The files of a revert: puts the saved trees back and moves away what appeared since.

use super::scope_back::Scope;
use super::state::{Note, State};
use super::{Baseline, Context, StepError, StepResult, extras, needed};
use crate::backup::restore::{RestoreError, restore};
use crate::backup::snapshot::Snapshot;
use crate::plan::scope::is_below_any;
use crate::plan::{Group, PackageChange, scope};

/// Puts the saved files of the scope back.
pub(super) fn put_files_back(
    context: &Context<'_>,
    state: &mut State,
    scope: &Scope<'_>,
) -> StepResult {
    let changed: &[&Group] = &scope.changed;
    if changed.is_empty() {
        state.files_are_back = true;
        return Ok("no file was changed".to_owned());
    }
    let before = state.saved.before()?;
    let roots = scope.roots(context, &state.saved.baseline);
    let blobs = context.blobs()?;
    let displaced = context.dir().displaced_anew();
    let packages: Vec<PackageChange<'_>> = changed.iter().flat_map(|g| g.changes()).collect();
    let directories =
        || needed::restore_directories(context, &state.saved.baseline.directories, &packages);
    // Files need their directories, and writing them changes the directories' times: so directories
    // are restored twice.
    directories()?;
    extras::sweep(context, changed)?;
    let mut before = before.restricted(&roots);
    leave_out_new_mounts(context, &state.saved.baseline, &mut before)?;
    let restored = restore(context.layout, &blobs, &before, &displaced);
    // A path that only differs in the end is for a person to judge; the services may start on it.
    state.files_are_back = matches!(restored, Ok(_) | Err(RestoreError::Different { .. }));
    directories()?;
    let (done, differing) = match restored {
        Err(RestoreError::Different { paths, done }) => {
            let differing = RestoreError::Different {
                paths,
                done: Box::default(),
            };
            (*done, Some(differing))
        }
        restored => (restored?, None),
    };
    let mut note = |paths: &[String], how: &str| {
        if !paths.is_empty() {
            let note = Note::Attention(format!("{how}: {}", listed(paths)));
            state.findings.notes.push(note);
        }
    };
    // What rpm put beside a file came from this run alone.
    let is_foreign = |path: &&String| !scope::is_aside(path);
    let foreign: Vec<String> = done.displaced.iter().filter(is_foreign).cloned().collect();
    let place = displaced.display();
    note(
        &foreign,
        &format!("files that appeared during the run were moved to {place}"),
    );
    note(
        &done.lost,
        "newer contents of these files were overwritten and could not be kept",
    );
    if let Some(differing) = differing {
        return Err(differing.into());
    }
    Ok(format!(
        "{} paths written, {} moved away",
        done.written.len(),
        done.displaced.len()
    ))
}

/// Leaves out what was mounted since the backup: its files are not those that were saved.
fn leave_out_new_mounts(
    context: &Context<'_>,
    baseline: &Baseline,
    before: &mut Snapshot,
) -> Result<(), StepError> {
    if !context.layout.is_live() {
        return Ok(());
    }
    let mut new = context.host.mounts()?;
    new.retain(|mount| !baseline.mounts.contains(mount) && is_below_any(mount, &before.roots));
    before.entries.retain(|path, _| !is_below_any(path, &new));
    before.excluded.extend(new);
    Ok(())
}

/// Most paths that a note names.
const LISTED_MAX: usize = 20;

fn listed(paths: &[String]) -> String {
    let shown = &paths[..paths.len().min(LISTED_MAX)];
    match paths.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
