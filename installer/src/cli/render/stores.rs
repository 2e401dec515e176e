//! The data stores of a plan and of a report, as text for people.

use manifests::product::Engine;

use crate::history::report::DataReport;
use crate::plan::{DataChange, InstallPlan, PlannedStore};
use crate::stores::Others;

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
        for line in others(store) {
            text.push_str(&format!("       {line}\n"));
        }
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

/// Returns who else uses a store, and what was decided about that.
fn others(store: &PlannedStore) -> Vec<String> {
    let terms = &store.terms;
    let who = match &terms.others {
        Some(Others::Known(list)) if list.is_empty() => None,
        Some(Others::Known(list)) => {
            Some(format!("other hosts use this store: {}", list.join(", ")))
        }
        Some(Others::NotKnown(why)) => Some(format!(
            "whether other hosts use this store is not known: {why}"
        )),
        None => None,
    };
    let shared = terms
        .shared
        .as_ref()
        .map(|reason| format!("its data may be put back under other hosts, because: {reason}"));
    let kept = terms
        .kept
        .as_ref()
        .map(|reason| format!("its data stay as the newer version left them, because: {reason}"));
    who.into_iter().chain(shared).chain(kept).collect()
}

fn dumped(store: &PlannedStore) -> String {
    if let Some(why) = &store.terms.not_dumped {
        return format!("NOT dumped: {why}");
    }
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
    if let (DataChange::Migrated { title }, Some(reason)) = (change, &store.terms.by_hand) {
        return format!(
            "IRREVERSIBLE: {title}. A revert keeps {} stopped, and a person restores this dump, because: \
             {reason}",
            store.users.join(", ")
        );
    }
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
        (None, None) => match &store.terms.not_dumped {
            Some(why) => format!(
                "  data: {} ({}) not dumped: {why}\n",
                store.name, store.endpoint
            ),
            None => format!("  data: {} was not dumped yet\n", store.name),
        },
    };
    let decided = |store: &DataReport| {
        let terms = &store.terms;
        let shared = terms
            .shared
            .as_ref()
            .map(|reason| ("may be put back under other hosts", reason));
        let by_hand = terms
            .by_hand
            .as_ref()
            .map(|reason| ("restored by a person, not by a revert", reason));
        let kept = terms
            .kept
            .as_ref()
            .map(|reason| ("its data stay as they were", reason));
        let all = [shared, by_hand, kept].into_iter().flatten();
        all.fold(String::new(), |text, (what, reason)| {
            text + &format!("        {what}, because: {reason}\n")
        })
    };
    data.iter()
        .map(|store| line(store) + &decided(store))
        .collect()
}
