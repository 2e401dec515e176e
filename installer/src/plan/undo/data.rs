//! Plans what an undo does about data. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::Inventory;
use crate::plan::outranked;
use crate::plan::{DataChange, Earlier, InstallPlan, PlannedStore, StoreConsent};
use crate::problem::Problem;

/// What an undo does with data that the undone run rewrote. Only a person can decide this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataChoice {
    /// The dumps from before the run are restored.
    pub restore: bool,
    /// The data stay as they are, for the given reason.
    pub keep_because: Option<String>,
    /// Stores that are not dumped first, by name, with the reason.
    pub elsewhere: BTreeMap<String, String>,
    /// What else was decided about stores.
    pub stores: StoreConsent,
}

/// Plans the stores of an undo.
pub(super) fn stores(
    run: Earlier<'_>,
    inventory: &Inventory,
    choice: &DataChoice,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) -> Vec<PlannedStore> {
    let Some(group) = plan.groups.first().map(|group| group.name.clone()) else {
        return Vec::new();
    };
    let mut stores = Vec::new();
    for before in &run.plan.stores {
        let change = match &before.change {
            None => None,
            Some(change) => decide(run, before, change, choice, plan, problems),
        };
        let mut found = inventory.stores.found.iter();
        if !found.any(|found| found.endpoint == before.endpoint) {
            let what = format!(
                "{} was {} in run {}; no configuration names that any more",
                before.name, before.endpoint, run.id
            );
            // A store that need not be restored may have moved.
            match change {
                Some(_) => problems.push(Problem::new(
                    what,
                    "put the configuration back, or keep the data as they are with \
                     --keep-data-because REASON",
                )),
                None => plan.notes.push(format!("{what}: it is not dumped")),
            }
            continue;
        }
        let names = std::slice::from_ref(&before.name);
        let mut store = PlannedStore {
            group: group.clone(),
            elsewhere: choice.elsewhere.get(&before.name).cloned(),
            change,
            terms: choice.stores.terms(names),
            ..before.clone()
        };
        outranked::set_aside(&mut store, names, &choice.stores.chosen, plan);
        stores.push(store);
    }
    let names: BTreeSet<String> = stores.iter().map(|store| store.name.clone()).collect();
    choice.stores.check(&names, &stores, problems);
    stores
}

/// Asks about the data of components that were not used when the undone run was planned. One that
/// was started since has changed data of which there is no dump. One that is still not used must not
/// be in use when the undo holds it.
pub(super) fn ask_idle(
    run: Earlier<'_>,
    inventory: &Inventory,
    choice: &DataChoice,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    for (name, titles) in &run.plan.idle_changes {
        let is_idle = inventory.idle.contains(name);
        let titles = titles.join("; ");
        let what = format!(
            "{name} was not used when run {} was planned, so that run has no dump of its data, and the \
             newer version changes them for good ({titles})",
            run.id
        );
        match &choice.keep_because {
            Some(reason) if !is_idle => plan.notes.push(format!(
                "{what}. It is used now. They stay as they are, because: {reason}. The older version may \
                 not be able to use them"
            )),
            _ if is_idle => plan.idle.push(name.clone()),
            _ => problems.push(Problem::new(
                format!("{what}. It is used now: the older version may not be able to use them"),
                "restore your own backup of them with the services stopped, or let them be; then undo \
                 with --keep-data-because REASON",
            )),
        }
    }
}

fn decide(
    run: Earlier<'_>,
    store: &PlannedStore,
    change: &DataChange,
    choice: &DataChoice,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) -> Option<DataChange> {
    let id = run.id;
    let what = match change {
        DataChange::Migrated { title } => {
            format!("run {id} changed the data of {}: {title}", store.name)
        }
        DataChange::Restored { .. } => {
            format!("run {id} put older data into {}", store.name)
        }
    };
    if let Some(reason) = &choice.keep_because {
        plan.notes.push(format!(
            "{what}. They stay as they are, because: {reason}. The older version may not be able to use them"
        ));
        return None;
    }
    if let Some(reason) = &store.elsewhere {
        problems.push(Problem::new(
            format!("{what}, and it made no dump, because: {reason}"),
            format!(
                "restore your own backup of {} with the services stopped; then undo with \
                 --keep-data-because REASON",
                store.endpoint
            ),
        ));
        return None;
    }
    if choice.restore {
        plan.notes.push(format!(
            "the data of {} go back to those of before run {id}: what was written since is lost to the \
             product, and kept in a dump of this run",
            store.name
        ));
        return Some(DataChange::Restored { run: id });
    }
    problems.push(Problem::new(
        format!("{what}. The older packages alone may not be able to use them"),
        format!(
            "`install undo {id} --restore-data` puts back the dump of before run {id} (what was written \
             since is kept in a dump); to go back without it, give the reason with --keep-data-because REASON"
        ),
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::report::Outcome;
    use crate::history::test_runs::past_run;
    use crate::plan::{PlanKind, test_inventory};

    /// A component that was idle at the upgrade and was started since has migrated its data.
    #[test]
    fn a_component_that_is_used_since_asks_for_a_decision() {
        let mut past = past_run(1, PlanKind::Upgrade, Some(Outcome::Done));
        let titles = vec!["the new schema".to_owned()];
        past.plan.idle_changes = BTreeMap::from([("gateway".to_owned(), titles)]);
        let ask = |is_idle: bool, choice: &DataChoice| {
            let mut inventory = test_inventory();
            if is_idle {
                inventory.idle.insert("gateway".to_owned());
            }
            let mut plan = past.plan.clone();
            let mut problems = Vec::new();
            ask_idle(past.earlier(), &inventory, choice, &mut plan, &mut problems);
            (plan, problems)
        };
        let (plan, problems) = ask(true, &DataChoice::default());
        assert_eq!(
            (plan.idle, problems),
            (vec!["gateway".to_owned()], Vec::new())
        );
        let restore = DataChoice {
            restore: true,
            ..DataChoice::default()
        };
        for choice in [DataChoice::default(), restore] {
            let (_, problems) = ask(false, &choice);
            assert!(problems[0].what.contains("the new schema"), "{problems:?}");
            assert!(problems[0].cure.contains("--keep-data-because REASON"));
        }
        let keep = DataChoice {
            keep_because: Some("the old one reads them".to_owned()),
            ..DataChoice::default()
        };
        let (plan, problems) = ask(false, &keep);
        assert_eq!(problems, []);
        assert!(plan.notes.concat().contains("the old one reads them"));
    }
}
