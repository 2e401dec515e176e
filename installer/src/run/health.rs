//! Waits for the health of components after a change and compares it with the baseline. A component
//! that was ill before the run is not blamed on the run.

use std::collections::BTreeMap;

use manifests::product::Component;

use super::error::{StepError, differs};
use super::{Baseline, Context, StepResult};
use crate::event::Event;
use crate::failure::chain;
use crate::health::{self, Patience};
use crate::history::report::{ComponentHealth, HealthState, NotWell};
use crate::plan::{PlannedComponent, PlannedRpm};

/// The health that was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) health: Vec<ComponentHealth>,
    /// Main process ids, by unit.
    pub(super) processes: BTreeMap<String, u32>,
}

/// What excuses a component that is not healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excuse {
    /// The same kind of illness existed before. An upgrade may not add another kind.
    SameKind,
    /// Any illness existed before. A revert can only lead back to it.
    AnyBefore,
}

/// Waits for the health of some components.
pub(super) fn wait(
    context: &Context<'_>,
    baseline: &Baseline,
    group: &[&PlannedComponent],
    excuse: Excuse,
) -> Result<Found, StepError> {
    let mut found = Found::default();
    for planned in group {
        let state = match unasked(context, baseline, planned) {
            Some(why) => HealthState::NotChecked { why },
            None => ask(context, baseline, planned, excuse, &mut found)?,
        };
        found.health.push(ComponentHealth {
            title: planned.component.title.clone(),
            state,
        });
    }
    Ok(found)
}

/// Waits for the health of components whose run cannot be taken back any more. What is not well does
/// not end the wait: it is returned.
pub(super) fn wait_for_each(
    context: &Context<'_>,
    baseline: &Baseline,
    components: &[&PlannedComponent],
) -> (Found, Vec<NotWell>) {
    let mut all = Found::default();
    let mut not_well = Vec::new();
    for planned in components {
        match wait(context, baseline, &[planned], Excuse::SameKind) {
            Ok(found) => all.health.extend(found.health),
            Err(error) => not_well.push(NotWell {
                title: planned.component.title.clone(),
                why: chain(&error),
                before: false,
            }),
        }
    }
    (all, not_well)
}

/// Why a component's health cannot be checked, if so.
fn unasked(
    context: &Context<'_>,
    baseline: &Baseline,
    planned: &PlannedComponent,
) -> Option<String> {
    let Some(unit) = &planned.component.unit else {
        return Some("it has no service".to_owned());
    };
    if !context.has_units(baseline) {
        return Some("services are not touched here".to_owned());
    }
    let services = baseline.services(&planned.component);
    if planned.to.is_some()
        && !planned.is_new()
        && !services.iter().any(|unit| baseline.was_up(unit))
    {
        return Some("the service did not run before".to_owned());
    }
    unit.contains("@.")
        .then(|| "instances of a template have no health question".to_owned())
}

fn ask(
    context: &Context<'_>,
    baseline: &Baseline,
    planned: &PlannedComponent,
    excuse: Excuse,
    found: &mut Found,
) -> Result<HealthState, StepError> {
    let component = &planned.component;
    let Some(expected) = planned.to.as_ref().map(PlannedRpm::expected) else {
        let why = "it is not installed any more".to_owned();
        return Ok(HealthState::NotChecked { why });
    };
    let name = &component.name;
    let before = baseline.unwell.get(name).map(|before| before.kind);
    // One that is configured after its first installation.
    let may_wait = planned.is_new() && context.plan.may_be_ill(name).is_some();
    let is_excused = |kind| match excuse {
        Excuse::SameKind => before == Some(kind) || may_wait,
        Excuse::AnyBefore => before.is_some(),
    };
    let own = context.health_budgets.get(name);
    let patience = Patience {
        budget_secs: own
            .or_else(|| context.plan.health_budgets.get(name))
            .copied(),
        stopped: context.stopped,
        excused: &is_excused,
        tell: &|what| (context.listener)(&Event::Waiting { what }),
    };
    match health::wait(context.host, context.layout, component, expected, &patience) {
        Ok(pid) => {
            let unit = component.unit.clone().filter(|_| pid != 0);
            found.processes.extend(unit.map(|unit| (unit, pid)));
            Ok(HealthState::Healthy)
        }
        Err(ill) => {
            if is_excused(ill.kind) {
                return Ok(HealthState::AsBefore { why: ill.why });
            }
            differs(format!("{} is not healthy: {}", component.title, ill.why))
        }
    }
}

/// Checks that the services that were only held beside the change run again, if they ran before.
pub(super) fn runs_again(
    context: &Context<'_>,
    baseline: &Baseline,
    components: &[&Component],
) -> StepResult {
    if !context.has_units(baseline) {
        return Ok(String::new());
    }
    for unit in baseline.all_services(components.iter().copied()) {
        let now = context.host.unit(unit)?;
        if baseline.was_up(unit) && !now.is_up() {
            return differs(format!(
                "{unit} was stopped for the run and does not run again"
            ));
        }
    }
    Ok(String::new())
}

/// A healthy service must keep its process until the later groups are healthy: systemd restarts a
/// crashed one, which then only looks healthy.
pub(super) fn same_processes(
    context: &Context<'_>,
    processes: &BTreeMap<String, u32>,
) -> StepResult {
    for (unit, pid) in processes {
        let now = context.host.main_process(unit)?;
        if now.as_ref().map(|process| process.pid) != Some(*pid) {
            return differs(format!(
                "{unit} was well, but its main process has ended since"
            ));
        }
    }
    Ok(String::new())
}
