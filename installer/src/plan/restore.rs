//! Plans the restore of dumps that an earlier run made. Such a run changes no package. Pure.

use std::collections::BTreeMap;

use manifests::product::Component;

use crate::inventory::Inventory;
use crate::plan::extras::Extras;
use crate::plan::{DataChange, Earlier, Group, InstallPlan, PlanKind, PlannedStore, StoreConsent};
use crate::problem::Problem;
use crate::stores::record::Dumps;

/// The name of the plan's only group, which has no packages.
const GROUP: &str = "data";

/// Plans the restore of some stores from the dumps of `run`, or returns every reason against it.
pub fn plan(
    run: Earlier<'_>,
    names: &[String],
    dumps: &Dumps,
    inventory: &Inventory,
    consent: &StoreConsent,
) -> Result<InstallPlan, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut stores = Vec::new();
    consent.check(&names.iter().cloned().collect(), &stores, &mut problems);
    for name in names {
        match store(run, name, dumps, inventory, consent) {
            Ok(store) => stores.push(store),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let is_installed = |c: &&Component| !inventory.installed(&c.package).is_empty();
    let uses = |c: &&Component| stores.iter().any(|store| store.users.contains(&c.name));
    // Another one may know the store by another name: the preflight asks the servers.
    let known = run.plan.known_components();
    let bystanders: Vec<Component> = known.filter(is_installed).cloned().collect();
    let notes = run
        .plan
        .components()
        .filter(|planned| uses(&&planned.component))
        .filter_map(|planned| {
            let now = inventory.installed(&planned.component.package);
            let from = &planned.from.as_ref()?.nevra;
            let now = now.first().filter(|one| one.nevra != *from)?;
            Some(format!(
                "the dump was made with {from}; {} is installed now and will meet those data",
                now.nevra
            ))
        });
    Ok(InstallPlan {
        kind: PlanKind::Restore { run: run.id },
        groups: vec![Group {
            name: GROUP.to_owned(),
            components: Vec::new(),
            packages: Vec::new(),
            extras: Extras::default(),
        }],
        notes: notes.collect(),
        idle: Vec::new(),
        idle_changes: BTreeMap::new(),
        current: Vec::new(),
        absent: Vec::new(),
        stores,
        bystanders,
        downgrade_because: None,
        extras_ignored_because: None,
        sequence_jump_because: None,
        dump_dir: None,
        unhealthy_before: BTreeMap::new(),
        ..run.plan.clone()
    })
}

fn store(
    run: Earlier<'_>,
    name: &str,
    dumps: &Dumps,
    inventory: &Inventory,
    consent: &StoreConsent,
) -> Result<PlannedStore, Problem> {
    let id = run.id;
    let before = run.plan.stores.iter().find(|store| store.name == name);
    let (Some(before), Some(_)) = (before, dumps.of(name)) else {
        let known: Vec<&str> = dumps.stores.iter().map(|dump| dump.name.as_str()).collect();
        let known = match known.as_slice() {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        return Err(Problem::new(
            format!("run {id} has no dump of {name}; it has {known}"),
            "`install backup list` shows every dump there is",
        ));
    };
    let mut found = inventory.stores.found.iter();
    if !found.any(|found| found.endpoint == before.endpoint) {
        let what = format!(
            "the dump is of {}, which no configuration names any more",
            before.endpoint
        );
        let cure =
            "put the configuration back first, or restore the dump by hand (docs/backups.md)";
        return Err(Problem::new(what, cure));
    }
    Ok(PlannedStore {
        group: GROUP.to_owned(),
        may_be_empty: true,
        elsewhere: None,
        change: Some(DataChange::Restored { run: id }),
        terms: consent.terms(std::slice::from_ref(&before.name)),
        ..before.clone()
    })
}
