//! Components that were not used when the run was planned: their data stores are neither known nor
//! dumped. Somebody may have enabled or started one since.

use super::error::{StepError, differs};
use super::execute::members;
use super::state::State;
use super::{Context, write_document};
use crate::inventory::services;

/// Looks again at the components of a group that were judged idle, before they are held. One that is
/// used by now ends the run; what it does now counts as its state before the run.
pub(super) fn look_again(
    context: &Context<'_>,
    state: &mut State,
    group: &str,
) -> Result<(), StepError> {
    let baseline = &mut state.saved.baseline;
    if !context.has_units(baseline) {
        return Ok(());
    }
    let is_named = |name: &String| context.plan.idle.contains(name);
    for planned in members(context.plan, group) {
        let component = &planned.component;
        let (true, Some(unit)) = (is_named(&component.name), &component.unit) else {
            continue;
        };
        if services::is_idle(context.host, component)? {
            continue;
        }
        baseline
            .units
            .insert(unit.clone(), context.host.unit(unit)?);
        write_document(&context.dir().backup().baseline(), &*baseline)?;
        return differs(format!(
            "{unit} was neither enabled nor running when this run was planned, and is now: the data \
             stores of {} were not looked at and are not dumped. Plan again, or disable and stop it first",
            component.name
        ));
    }
    Ok(())
}
