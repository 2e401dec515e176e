//! Services of components that come to the host or leave it. The run that brings one enables and
//! starts it. Whoever takes one away disables it first, so that no symlink of systemd stays.

use manifests::product::Component;

use super::error::StepError;
use super::{Baseline, Context, StepResult};
use crate::host::UnitAction;
use crate::plan::PlannedComponent;

/// Releases components after a change of the plan: those that ran before, and those that are new.
pub(super) fn release(
    context: &Context<'_>,
    baseline: &Baseline,
    components: &[&Component],
) -> StepResult {
    let leaves = |component: &&&Component| {
        let mut planned = context.plan.components();
        planned.any(|one| one.component.name == component.name && one.to.is_none())
    };
    let staying: Vec<&Component> = components
        .iter()
        .filter(|component| !leaves(component))
        .copied()
        .collect();
    let gone = components.iter().filter(leaves).copied();
    let gone: Vec<&str> = baseline.all_services(gone).collect();
    let done = context.release_without(baseline, &staying, &gone)?;
    let started = start(context, baseline, &staying)?;
    Ok(if started.is_empty() { done } else { started })
}

/// Enables and starts the services that are new to the host.
fn start(context: &Context<'_>, baseline: &Baseline, components: &[&Component]) -> StepResult {
    if !context.has_units(baseline) {
        return Ok(String::new());
    }
    let new = context.plan.components().filter(|planned| {
        planned.is_new()
            && components
                .iter()
                .any(|one| one.name == planned.component.name)
    });
    let mut started = Vec::new();
    for unit in units(new) {
        if !context.host.unit(unit)?.exists() {
            continue;
        }
        for action in [
            UnitAction::Enable,
            UnitAction::ResetFailed,
            UnitAction::Start,
        ] {
            context.host.change_unit(action, unit)?;
        }
        started.push(unit);
    }
    if started.is_empty() {
        return Ok(String::new());
    }
    Ok(format!("enabled and started: {}", started.join(", ")))
}

/// Disables the services of components that come or leave, before their packages are removed.
pub(super) fn disable(context: &Context<'_>) -> Result<(), StepError> {
    let is_one_sided = |planned: &&PlannedComponent| planned.from.is_none() != planned.to.is_none();
    if !context.layout.is_live() {
        return Ok(());
    }
    for unit in units(context.plan.components().filter(is_one_sided)) {
        let state = context.host.unit(unit)?;
        if state.exists() && state.file == "enabled" {
            context.host.change_unit(UnitAction::Disable, unit)?;
        }
    }
    Ok(())
}

fn units<'a>(
    components: impl Iterator<Item = &'a PlannedComponent>,
) -> impl Iterator<Item = &'a str> {
    let units = components.filter_map(|planned| planned.component.unit.as_deref());
    units.filter(|unit| !unit.contains("@."))
}
