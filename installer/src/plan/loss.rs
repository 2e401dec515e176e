//! What a revert of a plan's run would lose. Pure.

use super::{DataChange, InstallPlan, PlannedStore};

impl InstallPlan {
    /// Returns what is lost if the run goes back after its services wrote, one line for each store.
    #[must_use]
    pub fn revert_loses(&self) -> Vec<String> {
        let lost = |store: &PlannedStore| {
            let (name, group) = (&store.name, &store.group);
            let change = store.change.as_ref()?;
            if store.terms.by_hand.is_some() {
                return Some(format!(
                    "{name}: it stays as the run left it until a person restores its dump"
                ));
            }
            Some(match (change, &store.elsewhere) {
                (_, Some(_)) => format!(
                    "{name}: all of it as it was before the run, until you restore your own backup"
                ),
                (DataChange::Migrated { .. }, None) => format!(
                    "{name}: what is written after {group} is stopped for its dump (a dump of that is \
                     kept)"
                ),
                (DataChange::Restored { run }, None) => format!(
                    "{name}: what is written after the dump of run {run} is back (a dump of that is kept)"
                ),
            })
        };
        self.stores.iter().filter_map(lost).collect()
    }
}

#[cfg(test)]
mod tests {
    use manifests::product::Engine;

    use super::*;
    use crate::history::report::Outcome;
    use crate::history::test_runs::past_run;
    use crate::plan::PlanKind;
    use crate::plan::StoreTerms;

    #[test]
    fn only_stores_whose_data_change_can_lose() {
        let mut plan = past_run(1, PlanKind::Upgrade, Some(Outcome::Done)).plan;
        let store = PlannedStore {
            name: "gateway-main".to_owned(),
            title: "rows".to_owned(),
            engine: Engine::Postgresql,
            endpoint: "postgresql x".to_owned(),
            users: vec!["gateway".to_owned()],
            group: "gateway".to_owned(),
            may_be_empty: false,
            elsewhere: None,
            change: None,
            cache: false,
            exclude: Vec::new(),
            terms: StoreTerms::default(),
        };
        plan.stores.push(store.clone());
        assert_eq!(plan.revert_loses(), Vec::<String>::new());
        let title = "rewritten".to_owned();
        plan.stores[0].change = Some(DataChange::Migrated { title });
        assert!(plan.revert_loses()[0].contains("after gateway is stopped"));
        plan.stores[0].elsewhere = Some("the database team has it".to_owned());
        assert!(plan.revert_loses()[0].contains("your own backup"));
    }
}
