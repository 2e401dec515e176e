//! Saves configuration three times: before anything changes, again when no service writes, and at
//! the end of the run.

use super::error::StepError;
use super::execute::groups;
use super::state::{Note, State};
use super::{Context, StepResult, baseline, vendor_defaults};
use crate::backup::capture::Writers;
use crate::health::Ill;
use crate::plan::Group;
use crate::plan::scope::trees;

pub(super) fn back_up(context: &Context<'_>, state: &mut State) -> StepResult {
    // A package may have changed between the plan and the lock.
    let changed = context
        .plan
        .changes()
        .find(|change| !context.is_installed(change.package, change.from));
    if let Some(change) = changed {
        return Err(StepError::Differs(match change.from {
            Some(from) => format!("{} is not installed any more", from.nevra),
            None => format!("{} has been installed meanwhile", change.package),
        }));
    }
    state.saved.baseline = baseline::take(context)?;
    for (component, Ill { why, .. }) in &state.saved.baseline.unwell {
        state.findings.notes.push(Note::Info(format!(
            "{component} was not well before the run: {why}"
        )));
    }
    let all: Vec<&Group> = context.plan.groups.iter().collect();
    let before = baseline::snapshot(context, &state.saved.baseline, &all, Writers::AtWork)?;
    let note = format!(
        "{} paths, {} bytes",
        before.entries.len(),
        before.content_bytes()
    );
    state.saved.keep(context, before)?;
    state.saved.defaults = vendor_defaults::read(context)?;
    Ok(note)
}

/// Saves a group's files again while its services are stopped: this copy is the last state. For
/// groups that were upgraded already, the first copy stays.
pub(super) fn refresh(context: &Context<'_>, state: &mut State, group: &[&Group]) -> StepResult {
    let changes = group.iter().flat_map(|group| group.changes());
    for change in changes.filter(|change| change.from.is_some()) {
        let lines = context.host.rpm_verify(&[change.package])?;
        let known = &mut state.saved.baseline.verify;
        known.insert(change.package.to_owned(), lines);
    }
    let now = baseline::snapshot(context, &state.saved.baseline, group, Writers::Stopped)?;
    let mut before = state.saved.before()?.clone();
    // The upgrade of an earlier group changed the files that it shares with this one: their first
    // copy counts.
    let earlier: Vec<&Group> = state
        .reached
        .changed
        .iter()
        .flat_map(|group| groups(context.plan, group))
        .collect();
    let (taken, _) = trees(&earlier, &state.saved.baseline);
    before.replace(now.without(&taken));
    state.saved.keep(context, before)?;
    Ok(String::new())
}

pub(super) fn commit(context: &Context<'_>, state: &State) -> StepResult {
    let all: Vec<&Group> = context.plan.groups.iter().collect();
    let after = baseline::snapshot(context, &state.saved.baseline, &all, Writers::AtWork)?;
    super::write_document(&context.dir().backup().after(), &after)?;
    Ok(String::new())
}
