//! Saving configuration: before anything changes, once more when nothing writes, and when all is done.

use super::execute::{State, groups};
use super::{Baseline, Context, StepResult, baseline, vendor_defaults};
use crate::backup::capture::Writers;
use crate::backup::snapshot::Snapshot;
use crate::failure::chain;
use crate::health::Ill;
use crate::plan::Group;

pub(super) fn back_up(context: &Context<'_>, state: &mut State) -> StepResult {
    // Between the plan and the lock somebody may have changed a package.
    let changed = context
        .plan
        .changes()
        .find(|change| !context.is_installed(change.package, change.from));
    if let Some(change) = changed {
        return Err(match change.from {
            Some(from) => format!("{} is not installed any more", from.nevra),
            None => format!("{} has been installed meanwhile", change.package),
        });
    }
    state.baseline = Baseline::take(context).map_err(|error| chain(&error))?;
    for (component, Ill { why, .. }) in &state.baseline.unwell {
        state
            .notes
            .push(format!("{component} was not well before the run: {why}"));
    }
    let all: Vec<&Group> = context.plan.groups.iter().collect();
    let before = baseline::snapshot(context, &state.baseline, &all, Writers::AtWork)?;
    let note = format!(
        "{} paths, {} bytes",
        before.entries.len(),
        before.content_bytes()
    );
    store(context, state, before)?;
    state.defaults = vendor_defaults::read(context)?;
    Ok(note)
}

fn store(context: &Context<'_>, state: &mut State, before: Snapshot) -> Result<(), String> {
    context.write_document(&context.dir().backup().before(), &before)?;
    context.write_document(&context.dir().backup().baseline(), &state.baseline)?;
    state.before = Some(before);
    Ok(())
}

/// Saves a group's files once more: its services are stopped, so this copy is the last state. Of
/// groups that were upgraded already the first copy stays.
pub(super) fn refresh(context: &Context<'_>, state: &mut State, group: &[&Group]) -> StepResult {
    let changes = group.iter().flat_map(|group| group.changes());
    for change in changes.filter(|change| change.from.is_some()) {
        let lines = context
            .host
            .rpm_verify(&[change.package])
            .map_err(|error| chain(&error))?;
        let known = &mut state.baseline.verify;
        known.insert(change.package.to_owned(), lines);
    }
    let now = baseline::snapshot(context, &state.baseline, group, Writers::Stopped)?;
    let mut before = state.before.take().ok_or("there is no backup")?;
    // What an earlier group shares with this one was changed by its upgrade: its first copy counts.
    let earlier: Vec<&Group> = state
        .changed
        .iter()
        .flat_map(|group| groups(context.plan, group))
        .collect();
    let (taken, _) = baseline::trees(&earlier, &state.baseline);
    before.replace(now.without(&taken));
    store(context, state, before)?;
    Ok(String::new())
}

pub(super) fn commit(context: &Context<'_>, state: &State) -> StepResult {
    let all: Vec<&Group> = context.plan.groups.iter().collect();
    let after = baseline::snapshot(context, &state.baseline, &all, Writers::AtWork)?;
    context.write_document(&context.dir().backup().after(), &after)?;
    Ok(String::new())
}
