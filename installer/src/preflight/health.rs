//! Asks the services of an upgrade for their health before it, as the run asks after it. A service
//! that cannot be asked, or that is ill, would let every version pass.

use crate::event::{Event, Listener};
use crate::health::{self, Ill};
use crate::host::Host;
use crate::layout::Layout;
use crate::plan::{InstallPlan, PlanKind, PlannedComponent};
use crate::problem::Problem;

/// Asks every service of an upgrade that runs. What is ill and allowed to be is noted in the plan;
/// the rest is returned. A run that goes back may begin on any service.
pub fn ask(
    host: &dyn Host,
    layout: &Layout,
    plan: &mut InstallPlan,
    listener: Listener<'_>,
) -> Vec<Problem> {
    let has_units = host.identity().is_ok_and(|identity| identity.systemd);
    if plan.kind != PlanKind::Upgrade || !has_units {
        return Vec::new();
    }
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    for planned in plan.components() {
        let Some(why) = ill(host, layout, planned, listener) else {
            continue;
        };
        let (name, title) = (&planned.component.name, &planned.component.title);
        if plan.may_be_ill(name).is_some() {
            notes.push(format!(
                "{title} is not well: {why}. So its health after the run proves little"
            ));
        } else {
            problems.push(problem(plan, name, &format!("{title} is not well: {why}")));
        }
    }
    plan.notes.extend(notes);
    problems
}

/// Returns why a service that runs is not well, if so.
fn ill(
    host: &dyn Host,
    layout: &Layout,
    planned: &PlannedComponent,
    listener: Listener<'_>,
) -> Option<String> {
    let component = &planned.component;
    let unit = component
        .unit
        .as_ref()
        .filter(|unit| !unit.contains("@."))?;
    match host.unit(unit) {
        Ok(state) if !state.is_up() => None,
        Ok(_) => {
            let tell = |what| listener(&Event::Waiting { what });
            let expected = planned.from.as_ref()?.expected();
            let asked = health::ask_before(host, layout, component, expected, &tell);
            asked.err().map(|Ill { why, .. }| why)
        }
        Err(error) => Some(format!("systemd does not describe {unit}: {error}")),
    }
}

fn problem(plan: &InstallPlan, name: &str, what: &str) -> Problem {
    if plan.crosses_migration() {
        return Problem::new(
            format!(
                "{what}. This run crosses a migration of data, and only services that are well can \
                 show that their data are"
            ),
            format!(
                "make {name} well first, or stop its service: the run upgrades a stopped service and \
                 leaves it stopped. --unhealthy-before does not hold over a migration"
            ),
        );
    }
    Problem::new(
        format!("{what}. After the run nothing could be told from its health"),
        format!(
            "make {name} well first; to go on all the same, give the reason with \
             --unhealthy-before {name}=REASON"
        ),
    )
}
