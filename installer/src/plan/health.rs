//! What the operator said of the components' health: which may be ill before the run, and how long
//! the run waits for which. Pure.

use std::collections::BTreeMap;

use manifests::product::{Component, ProductManifest};

use super::{Consent, DataChange, InstallPlan, PlannedComponent, PlannedRpm, standing};
use crate::health::Expected;
use crate::problem::Problem;

impl InstallPlan {
    /// Whether the run rewrites data so that the versions before it cannot use them.
    #[must_use]
    pub fn crosses_migration(&self) -> bool {
        let mut changes = self.stores.iter().filter_map(|store| store.change.as_ref());
        changes.any(|change| matches!(change, DataChange::Migrated { .. }))
    }

    /// Sets how long a run that goes back waits for health. Where nothing is said, the times of the
    /// run that it undoes hold.
    pub fn set_health_budgets(&mut self, budgets: &BTreeMap<String, u64>) {
        for (name, secs) in budgets {
            let changes = |planned: &PlannedComponent| planned.component.name == *name;
            if self.components().any(changes) {
                self.health_budgets.insert(name.clone(), *secs);
            } else {
                let note = format!("--health-budget {name}: this run changes no such component");
                self.notes.push(note);
            }
        }
        note_budgets(self);
    }

    /// Returns the operator's reason why a component may be ill before the run, if the reason holds:
    /// over a crossed migration none does.
    #[must_use]
    pub fn may_be_ill(&self, component: &str) -> Option<&str> {
        let reason = self.unhealthy_before.get(component)?;
        (!self.crosses_migration()).then_some(reason)
    }
}

impl PlannedRpm {
    /// Returns what a healthy service of this package must match.
    #[must_use]
    pub fn expected(&self) -> Expected<'_> {
        Expected {
            version: self.nevra.evr().version(),
            program: self.program_sha256,
        }
    }
}

/// Records what the operator said in the plan of an upgrade.
pub(super) fn add(
    product: &ProductManifest,
    consent: &Consent,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let names: Vec<&str> = product.components.iter().map(|c| c.name.as_str()).collect();
    plan.unhealthy_before = known(
        "unhealthy-before",
        &consent.unhealthy_before,
        &names,
        plan,
        problems,
    );
    let budgets = &consent.health_budgets;
    plan.health_budgets = known("health-budget", budgets, &names, plan, problems);
    for (name, reason) in plan.unhealthy_before.clone() {
        plan.notes.push(format!(
            "{name} may be ill before and after the run in the same way, because: {reason}"
        ));
    }
    if plan.crosses_migration() && !plan.unhealthy_before.is_empty() {
        plan.notes.push(
            "--unhealthy-before does not hold in this run: it crosses a migration, and only services \
             that are well can show that their data are"
                .to_owned(),
        );
    }
    note_budgets(plan);
}

fn note_budgets(plan: &mut InstallPlan) {
    let usual = |component: &Component| component.health.as_ref().map(|health| health.budget_secs);
    let notes: Vec<String> = plan
        .components()
        .filter_map(|planned| {
            let component = &planned.component;
            let secs = plan.health_budgets.get(&component.name)?;
            let usual =
                usual(component).map_or(String::new(), |usual| format!(" instead of {usual}"));
            Some(format!(
                "{} has {secs} s{usual} to become healthy",
                component.title
            ))
        })
        .collect();
    plan.notes.extend(notes);
}

/// Returns what was said of known components.
fn known<T: Clone>(
    key: &str,
    named: &BTreeMap<String, T>,
    known: &[&str],
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, T> {
    let unknown = named.keys().filter(|name| !known.contains(&name.as_str()));
    for name in standing::set_aside(plan, key, unknown) {
        problems.push(Problem::new(
            format!("--{key} names {name}, which is no component"),
            format!("name one of these: {}", known.join(", ")),
        ));
    }
    let mut found = named.clone();
    found.retain(|name, _| known.contains(&name.as_str()));
    found
}

#[cfg(test)]
mod tests {
    use manifests::product::Engine;

    use super::*;
    use crate::history::report::Outcome;
    use crate::history::test_runs::past_run;
    use crate::plan::{PlanKind, PlannedStore, StoreTerms};

    fn plan() -> InstallPlan {
        past_run(1, PlanKind::Upgrade, Some(Outcome::Done)).plan
    }

    fn consent() -> Consent {
        let reason = "it is ill since spring".to_owned();
        Consent {
            unhealthy_before: BTreeMap::from([("gateway".to_owned(), reason)]),
            health_budgets: BTreeMap::from([("gateway".to_owned(), 600)]),
            ..Consent::default()
        }
    }

    fn migrated() -> PlannedStore {
        PlannedStore {
            name: "gateway-main".to_owned(),
            title: "rows".to_owned(),
            engine: Engine::Postgresql,
            endpoint: "postgresql x".to_owned(),
            users: vec!["gateway".to_owned()],
            group: "gateway".to_owned(),
            may_be_empty: false,
            cache: false,
            exclude: Vec::new(),
            elsewhere: None,
            change: Some(DataChange::Migrated {
                title: "rewritten".to_owned(),
            }),
            terms: StoreTerms::default(),
        }
    }

    fn tyk() -> ProductManifest {
        ProductManifest::from_toml(manifests::product::TYK).unwrap()
    }

    #[test]
    fn a_reason_is_recorded_and_holds_unless_data_migrate() {
        let (mut plan, mut problems) = (plan(), Vec::new());
        add(&tyk(), &consent(), &mut plan, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(plan.may_be_ill("gateway"), Some("it is ill since spring"));
        assert_eq!(plan.may_be_ill("pump"), None);
        assert_eq!(plan.health_budgets["gateway"], 600);
        plan.stores.push(migrated());
        assert_eq!(plan.may_be_ill("gateway"), None);
    }

    #[test]
    fn a_name_that_is_no_component_is_refused() {
        let (mut plan, mut problems) = (plan(), Vec::new());
        let consent = Consent {
            health_budgets: BTreeMap::from([("gate".to_owned(), 600)]),
            ..Consent::default()
        };
        add(&tyk(), &consent, &mut plan, &mut problems);
        assert!(problems[0].what.contains("gate"), "{problems:?}");
        assert!(problems[0].cure.contains("gateway"), "{problems:?}");
    }

    #[test]
    fn a_run_that_goes_back_keeps_the_times_of_the_undone_run() {
        let mut plan = plan();
        plan.health_budgets.insert("gateway".to_owned(), 600);
        plan.set_health_budgets(&BTreeMap::from([("pump".to_owned(), 5)]));
        assert_eq!(plan.health_budgets.len(), 1);
        assert!(plan.notes.concat().contains("no such component"));
        plan.set_health_budgets(&BTreeMap::from([("gateway".to_owned(), 900)]));
        assert_eq!(plan.health_budgets["gateway"], 900);
    }
}
