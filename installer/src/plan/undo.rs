//! Planning the undo of an earlier run: a new run that goes back. Pure.

mod data;

use std::collections::BTreeMap;

use crate::host::InstalledPackage;
use crate::inventory::Inventory;
use crate::plan::extras::Extras;
use crate::plan::forecast::{Forecast, forecast};
use crate::plan::scope;
use crate::plan::services;
use crate::plan::{
    Earlier, Group, InstallPlan, PlanKind, PlannedComponent, PlannedPackage, PlannedRpm,
};
use crate::problem::Problem;

pub use data::DataChoice;

/// Plans the undo of `run`, or returns every reason against it. `later` are the later runs that
/// still count.
pub fn plan(
    run: Earlier<'_>,
    later: &[Earlier<'_>],
    inventory: &Inventory,
    choice: &DataChoice,
) -> Result<InstallPlan, Vec<Problem>> {
    refuse(run).map_err(|problem| vec![problem])?;
    let components = components_back(run, later, inventory)?;
    let names: Vec<&str> = components
        .iter()
        .map(|c| c.component.name.as_str())
        .collect();
    let mut notes: Vec<String> = inventory.agent_notes().collect();
    let needed = run.plan.groups.iter().flat_map(|group| &group.packages);
    let packages: Vec<PlannedPackage> = needed
        .filter_map(|planned| package_back(planned, later, inventory, &mut notes))
        .collect();
    // An undo is one transaction, because the old packages were tested together.
    let groups = vec![Group {
        name: names.join("+"),
        components,
        packages,
        // The saved files show the previous files.
        extras: Extras::default(),
    }];
    let mut plan = InstallPlan {
        kind: PlanKind::Undo { run: run.id },
        groups,
        notes,
        current: Vec::new(),
        absent: Vec::new(),
        idle: Vec::new(),
        idle_changes: BTreeMap::new(),
        stores: Vec::new(),
        downgrade_because: None,
        extras_ignored_because: None,
        sequence_jump_because: None,
        dump_dir: None,
        unhealthy_before: BTreeMap::new(),
        ..run.plan.clone()
    };
    let mut problems = Vec::new();
    plan.stores = data::stores(run, inventory, choice, &mut plan, &mut problems);
    data::ask_idle(run, inventory, choice, &mut plan, &mut problems);
    if problems.is_empty() {
        let mounts = scope::mount_notes(&plan, &inventory.mounts);
        let links: Vec<String> = scope::link_notes(&plan, &inventory.links).collect();
        plan.notes.extend(mounts.into_iter().chain(links));
        Ok(plan)
    } else {
        Err(problems)
    }
}

/// Refuses a run that changed nothing that could be undone.
fn refuse(run: Earlier<'_>) -> Result<(), Problem> {
    let id = run.id;
    if !run.is_done {
        return Err(Problem::new(
            format!("run {id} did not end as done: there is nothing to undo"),
            "`install history` lists the runs that can be undone",
        ));
    }
    if let PlanKind::Restore { .. } = run.plan.kind {
        return Err(Problem::new(
            format!("run {id} put data back and changed no package"),
            format!(
                "the data that it found are in its own dump: `install backup restore {id} --store NAME`"
            ),
        ));
    }
    Ok(())
}

/// Plans the previous version of every component of a run.
fn components_back(
    run: Earlier<'_>,
    later: &[Earlier<'_>],
    inventory: &Inventory,
) -> Result<Vec<PlannedComponent>, Vec<Problem>> {
    let (mut components, mut problems) = (Vec::new(), Vec::new());
    for planned in run.plan.components() {
        let package = &planned.component.package;
        if let Some(other) = later.iter().find(|other| other.changed(package)) {
            problems.push(Problem::new(
                format!("run {} changed {package} after run {}", other.id, run.id),
                format!("undo run {} first", other.id),
            ));
            continue;
        }
        match back(planned, inventory) {
            Ok(component) => components.push(component),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(components)
    } else {
        Err(problems)
    }
}

/// A needed package goes back too. If it differs from what the run left, another administrator or
/// tool has changed it, and it stays.
fn package_back(
    planned: &PlannedPackage,
    later: &[Earlier<'_>],
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
    if !is_as_left || later.iter().any(|other| other.changed(&name)) {
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
        reason: "the undone run brought it".to_owned(),
        from: to,
        to: from,
        config,
        ..planned.clone()
    })
}

/// Forecasts what rpm does to edited files in an undo, where the old package's header is known.
fn ahead(installed: &InstalledPackage, to: &PlannedRpm, inventory: &Inventory) -> Vec<Forecast> {
    let files = inventory.headers.get(&to.sha256);
    files.map_or_else(Vec::new, |files| forecast(installed, files, inventory))
}

fn back(planned: &PlannedComponent, inventory: &Inventory) -> Result<PlannedComponent, Problem> {
    let PlannedComponent {
        component,
        from,
        to,
        mut files,
        turned,
        ..
    } = planned.clone();
    files.extend(services::files(&component, inventory));
    files.sort();
    files.dedup();
    let installed = inventory.installed(&component.package);
    match (installed.as_slice(), &to) {
        ([one], Some(left)) if one.nevra == left.nevra && one.build_time == left.build_time => {
            let config = from.as_ref().map(|from| ahead(one, from, inventory));
            Ok(PlannedComponent {
                component,
                config: config.unwrap_or_default(),
                from: to,
                to: from,
                files,
                turned,
            })
        }
        ([], None) => Ok(PlannedComponent {
            component,
            config: Vec::new(),
            from: to,
            to: from,
            files,
            turned,
        }),
        (found, left) => {
            let names: Vec<String> = found.iter().map(|one| one.nevra.to_string()).collect();
            let found = if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            };
            Err(Problem::new(
                match left {
                    Some(left) => format!(
                        "{} should be installed, as the run left it; found {found}",
                        left.nevra
                    ),
                    None => format!(
                        "{} should not be installed, as the run left it; found {found}",
                        component.package
                    ),
                },
                "the package was changed since: undo it by hand, or first restore what the run left",
            ))
        }
    }
}
