//! Planning the undo of an earlier run: a new run that goes back. Pure.

mod data;

use crate::history::PastRun;
use crate::history::report::Outcome;
use crate::host::InstalledPackage;
use crate::inventory::Inventory;
use crate::plan::extras::Extras;
use crate::plan::forecast::{Forecast, forecast};
use crate::plan::{Group, InstallPlan, PlanKind, PlannedComponent, PlannedPackage, PlannedRpm};
use crate::problem::Problem;

pub use data::DataChoice;

/// Plans the undo of `run`, or says everything that speaks against it. `later` are the runs after it
/// that still count ([`crate::history::effective`]).
pub fn plan(
    run: &PastRun,
    later: &[&PastRun],
    inventory: &Inventory,
    choice: &DataChoice,
) -> Result<InstallPlan, Vec<Problem>> {
    let done = |run: &PastRun| {
        run.report
            .as_ref()
            .is_some_and(|report| report.outcome == Outcome::Done)
    };
    if !done(run) {
        return Err(vec![Problem::new(
            format!(
                "run {} did not end as done: there is nothing to undo",
                run.id
            ),
            "`install history` lists the runs that can be undone",
        )]);
    }
    if let PlanKind::Restore { .. } = run.plan.kind {
        return Err(vec![Problem::new(
            format!("run {} put data back and changed no package", run.id),
            format!(
                "the data that it found are in its own dump: `install backup restore {} --store NAME`",
                run.id
            ),
        )]);
    }
    let mut problems = Vec::new();
    let mut components = Vec::new();
    for planned in run.plan.components() {
        let package = &planned.component.package;
        let touches = |other: &&&PastRun| {
            other
                .plan
                .changes()
                .any(|change| change.package == *package)
        };
        if let Some(other) = later.iter().find(touches) {
            problems.push(Problem::new(
                format!("run {} changed {package} after run {}", other.id, run.id),
                format!("undo run {} first", other.id),
            ));
        } else {
            match back(planned, inventory) {
                Ok(component) => components.push(component),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let names: Vec<&str> = components
        .iter()
        .map(|c| c.component.name.as_str())
        .collect();
    // A way back is one transaction: the old packages were tested together.
    let mut notes = Vec::new();
    let needed = run.plan.groups.iter().flat_map(|group| &group.packages);
    let packages: Vec<PlannedPackage> = needed
        .filter_map(|planned| package_back(planned, later, inventory, &mut notes))
        .collect();
    let groups = vec![Group {
        name: names.join("+"),
        components,
        packages,
        // The saved files say what was there.
        extras: Extras::default(),
    }];
    let kind = PlanKind::Undo { run: run.id };
    let mut plan = InstallPlan {
        kind,
        groups,
        notes,
        current: Vec::new(),
        absent: Vec::new(),
        stores: Vec::new(),
        downgrade_because: None,
        extras_ignored_because: None,
        ..run.plan.clone()
    };
    plan.stores = data::stores(run, inventory, choice, &mut plan, &mut problems);
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(problems)
    }
}

/// A package that a component needed goes back too, unless it is not as the run left it: then it is
/// somebody else's by now, and stays.
fn package_back(
    planned: &PlannedPackage,
    later: &[&PastRun],
    inventory: &Inventory,
    notes: &mut Vec<String>,
) -> Option<PlannedPackage> {
    let PlannedPackage { name, from, to, .. } = planned.clone();
    let installed = inventory.installed(&name);
    let is_as_left = match (installed.as_slice(), &to) {
        ([one], Some(to)) => one.nevra == to.nevra && one.build_time == to.build_time,
        ([], None) => true,
        _ => false,
    };
    let touches = |other: &&PastRun| other.plan.changes().any(|change| change.package == name);
    if !is_as_left || later.iter().any(touches) {
        notes.push(format!(
            "{name} was changed after the run that is undone: it stays as it is"
        ));
        return None;
    }
    let config = match (installed.as_slice(), &from) {
        ([one], Some(from)) => ahead(one, from, inventory),
        _ => Vec::new(),
    };
    Some(PlannedPackage {
        reason: "it came for what is undone".to_owned(),
        from: to,
        to: from,
        config,
        ..planned.clone()
    })
}

/// Forecasts what rpm does to edited files on the way back, where the old package's header is known.
fn ahead(installed: &InstalledPackage, to: &PlannedRpm, inventory: &Inventory) -> Vec<Forecast> {
    let files = inventory.headers.get(&to.sha256);
    files.map_or_else(Vec::new, |files| forecast(installed, files, inventory))
}

fn back(planned: &PlannedComponent, inventory: &Inventory) -> Result<PlannedComponent, Problem> {
    let PlannedComponent {
        component,
        from,
        to,
        ..
    } = planned.clone();
    match inventory.installed(&component.package).as_slice() {
        [one] if one.nevra == to.nevra && one.build_time == to.build_time => Ok(PlannedComponent {
            component,
            config: ahead(one, &from, inventory),
            from: to,
            to: from,
        }),
        found => {
            let names: Vec<String> = found.iter().map(|one| one.nevra.to_string()).collect();
            let found = if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            };
            Err(Problem::new(
                format!(
                    "{} should be installed, as the run left it; found {found}",
                    to.nevra
                ),
                "somebody changed the package since: go back by hand, or to what the run left first",
            ))
        }
    }
}
