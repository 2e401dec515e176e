//! The data stores of a plan and of a report, as text for people.

use manifests::product::Engine;

use crate::history::report::DataReport;
use crate::plan::{DataChange, InstallPlan, PlannedStore};

/// Returns what a plan does with the data stores.
pub(super) fn plan(plan: &InstallPlan) -> String {
    let mut text = String::new();
    for store in &plan.stores {
        text.push_str(&format!(
            "  data: {} = {} ({}), used by {}\n",
            store.name,
            store.endpoint,
            store.title,
            store.users.join(", ")
        ));
        text.push_str(&format!("       {}\n", dumped(store)));
        if let Some(change) = &store.change {
            text.push_str(&format!("       {}\n", changed(store, change)));
        }
    }
    if let Some(dir) = &plan.dump_dir {
        text.push_str(&format!("  dumps are below {dir}\n"));
    }
    for component in plan.standing_by() {
        text.push_str(&format!(
            "  held beside them, for it uses the same data: {}\n",
            component.title
        ));
    }
    text
}

fn dumped(store: &PlannedStore) -> String {
    match &store.elsewhere {
        Some(reason) => format!("NOT dumped; said to be backed up elsewhere, because: {reason}"),
        None if !store.is_dumped() => {
            "not dumped: a cache, whose content the product makes anew".to_owned()
        }
        None if store.is_dumped_ahead() => format!(
            "dumped while its services run: this run leaves its data alone{}{}",
            moments(store),
            left_out(store)
        ),
        None => format!(
            "dumped after {} is stopped and before its packages change{}",
            store.group,
            left_out(store)
        ),
    }
}

/// A dump under writers is of one moment for most engines.
fn moments(store: &PlannedStore) -> &'static str {
    let is_cluster = store.engine == Engine::Redis && store.endpoint.contains(',');
    if store.engine == Engine::Mongodb || is_cluster {
        " (what is written meanwhile may be in the dump or not)"
    } else {
        ""
    }
}

fn left_out(store: &PlannedStore) -> String {
    if store.exclude.is_empty() || store.engine == Engine::Redis {
        return String::new();
    }
    format!("; without the data of {}", store.exclude.join(", "))
}

fn changed(store: &PlannedStore, change: &DataChange) -> String {
    match (change, &store.elsewhere) {
        (DataChange::Migrated { title }, None) => format!(
            "IRREVERSIBLE: {title}. A revert or an undo restores this dump: what is written between the \
             stop of {} and then is lost to the product (a dump of it is kept)",
            store.group
        ),
        (DataChange::Migrated { title }, Some(_)) => format!(
            "IRREVERSIBLE: {title}. A revert cannot bring these data back: you restore your own backup"
        ),
        (DataChange::Restored { run }, _) => {
            format!("then the dump of before run {run} is put in their place")
        }
    }
}

/// Returns what happened to the data stores.
pub(in crate::cli) fn report(data: &[DataReport]) -> String {
    let line = |store: &DataReport| match (&store.dump, &store.elsewhere) {
        (Some(dump), _) => {
            let items = dump.items.map(|items| format!(", {items} items"));
            format!(
                "  data: {} dumped at {} ({} bytes{})\n",
                store.name,
                super::time(dump.taken),
                dump.bytes,
                items.unwrap_or_default()
            )
        }
        (None, Some(reason)) => format!(
            "  data: {} ({}) not dumped; said to be backed up elsewhere, because: {reason}\n",
            store.name, store.endpoint
        ),
        (None, None) => format!("  data: {} was not dumped yet\n", store.name),
    };
    data.iter().map(line).collect()
}
