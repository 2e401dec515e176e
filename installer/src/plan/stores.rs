//! The data stores of a plan: which are dumped, before which group, and what a revert does to their
//! data. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use manifests::product::{Engine, Migration, ProductManifest};
use serde::{Deserialize, Serialize};

use super::terms::{self, StoreTerms};
use super::{Consent, InstallPlan, idle, migrations, outranked, standing, vanishing};
use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::stores::dumping::StoreLabel;
use crate::stores::{FoundStore, FoundStores, UnclearStore};

/// A store that the components of a plan use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStore {
    /// Its name: the name of a component and the id of its rule.
    pub name: String,
    /// What it is, for people.
    pub title: String,
    /// Which kind.
    pub engine: Engine,
    /// Where, without secrets.
    pub endpoint: String,
    /// Components whose configuration names this store.
    pub users: Vec<String>,
    /// The group before whose transaction it is dumped.
    pub group: String,
    /// Whether the store may be empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_empty: bool,
    /// Whether its users make its content anew by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache: bool,
    /// Tables or collections whose data are not dumped: no migration rewrites them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Why it is not dumped, if the operator reported a backup elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// What the run does to the data, if anything. In that case a revert restores the dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<DataChange>,
    /// Who else uses it, and what was decided about it.
    #[serde(default, skip_serializing_if = "StoreTerms::is_empty")]
    pub terms: StoreTerms,
}

/// A change of data after which the previous version can no longer trust them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataChange {
    /// The new version rewrites the data when it starts.
    Migrated {
        /// How, for people.
        title: String,
    },
    /// The run restores the dump that an earlier run made.
    Restored {
        /// That run.
        run: u64,
    },
}

impl PlannedStore {
    /// Whether the run dumps it. A revert never restores a store that the run leaves alone, so that
    /// a cache which no migration rewrites needs no dump.
    #[must_use]
    pub const fn is_dumped(&self) -> bool {
        self.elsewhere.is_none()
            && self.terms.not_dumped.is_none()
            && (!self.cache || self.change.is_some())
    }

    /// Whether it is dumped while its services run: the run leaves its data alone.
    #[must_use]
    pub const fn is_dumped_ahead(&self) -> bool {
        self.is_dumped() && self.change.is_none()
    }

    /// Whether a revert of this run may have to restore it, so that a restore is rehearsed first.
    /// What a person restores may need rights that this host does not have.
    #[must_use]
    pub const fn is_rehearsed(&self) -> bool {
        self.is_dumped() && self.change.is_some() && self.terms.by_hand.is_none()
    }

    /// Returns the name for messages and records.
    #[must_use]
    pub fn label(&self) -> StoreLabel<'_> {
        StoreLabel {
            name: &self.name,
            title: &self.title,
            endpoint: &self.endpoint,
            may_be_empty: self.may_be_empty,
        }
    }

    /// Returns the run whose dump this run restores, if it restores one.
    #[must_use]
    pub const fn restored_run(&self) -> Option<u64> {
        match self.change {
            Some(DataChange::Restored { run }) => Some(run),
            _ => None,
        }
    }
}

impl InstallPlan {
    /// Returns where the dumps of a run are, if the operator named a directory for them.
    #[must_use]
    pub fn dumps_elsewhere(&self, run: u64) -> Option<PathBuf> {
        let dir = Path::new(self.dump_dir.as_ref()?);
        Some(dir.join(format!("airgap-bundle-run-{run}")))
    }
}

/// Adds the stores of the components that change.
pub(super) fn add(
    product: &ProductManifest,
    inventory: &Inventory,
    consent: &Consent,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let usable = idle::without(inventory);
    idle::note(product, inventory, plan);
    let mut used = add_unclear(product, &usable, consent, plan, problems);
    let mut stores = Vec::new();
    for found in &usable.found {
        let named = found
            .names
            .iter()
            .find_map(|n| consent.elsewhere.get_key_value(n));
        used.extend(named.map(|(name, _)| name.as_str()));
        let reason = named.map(|(_, reason)| reason.clone());
        let terms = consent.stores.terms(&found.names);
        let Some(store) = planned(product, plan, found, reason) else {
            continue;
        };
        let mut store = PlannedStore { terms, ..store };
        outranked::set_aside(&mut store, &found.names, &consent.stores.chosen, plan);
        stores.push(store);
    }
    used.extend(migrations::unfound(
        product,
        inventory,
        consent,
        plan,
        &mut stores,
        problems,
    ));
    vanishing::check(&usable.found, &stores, problems);
    for store in &stores {
        bystanders(product, inventory, store, plan);
    }
    let names = usable
        .found
        .iter()
        .filter(|found| is_planned(&stores, found));
    let names: BTreeSet<String> = names.flat_map(|found| found.names.clone()).collect();
    consent.stores.check(&names, &stores, problems);
    plan.stores = stores;
    for (key, name) in consent.stores.unknown(&names) {
        standing::set_aside(plan, key, std::iter::once(name));
    }
    let unused = consent.elsewhere.keys();
    let unused = unused.filter(|name| !used.contains(&name.as_str()));
    for name in standing::set_aside(plan, "backed-up-elsewhere", unused) {
        let known: Vec<&str> = plan.stores.iter().map(|s| s.name.as_str()).collect();
        problems.push(terms::not_used(name, &known));
    }
}

/// Judges what may be a store of a component that changes. Returns the names that have a reason.
fn add_unclear<'c>(
    product: &ProductManifest,
    usable: &FoundStores,
    consent: &'c Consent,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) -> Vec<&'c str> {
    let mut used: Vec<&str> = Vec::new();
    let changing: Vec<String> = plan
        .components()
        .map(|p| p.component.name.clone())
        .collect();
    let unclear = usable.unclear.iter();
    for unclear in unclear.filter(|one| changing.contains(&one.component)) {
        if let Some((name, reason)) = consent.elsewhere.get_key_value(&unclear.name) {
            used.push(name);
            plan.notes.push(format!(
                "{name} is not known here and is reported as backed up elsewhere, because: {reason}"
            ));
        } else if unclear.is_denied {
            // The preflight refuses the run if root cannot read it either.
            plan.notes.push(format!(
                "whether {} is a data store is not known: {}",
                unclear.name, unclear.why
            ));
        } else if unclear.out_of_reach && !migrations::any_crossed(product, plan) {
            plan.notes.push(format!(
                "{} is not dumped: {}. This run leaves its data alone",
                unclear.name, unclear.why
            ));
        } else {
            problems.push(not_known(unclear));
        }
    }
    used
}

fn not_known(unclear: &UnclearStore) -> Problem {
    let UnclearStore { name, why, .. } = unclear;
    let elsewhere = format!(
        "if its data are safe without us, give the reason with --backed-up-elsewhere {name}=REASON"
    );
    if unclear.out_of_reach {
        return Problem::new(
            format!("{name} cannot be dumped: {why}"),
            format!("back it up yourself; {elsewhere}"),
        );
    }
    Problem::new(
        format!("{name} is not understood: {why}"),
        format!(
            "mend the configuration of {}; {elsewhere}",
            unclear.component
        ),
    )
}

/// Plans one store; returns nothing if no changing component uses it.
fn planned(
    product: &ProductManifest,
    plan: &InstallPlan,
    found: &FoundStore,
    elsewhere: Option<String>,
) -> Option<PlannedStore> {
    let uses = |group: &super::Group| {
        let mut components = group.components.iter();
        components.any(|p| {
            found
                .users
                .iter()
                .any(|(user, _)| *user == p.component.name)
        })
    };
    let first = plan.groups.iter().find(|group| uses(group))?;
    let migrating = plan.groups.iter().find_map(|group| {
        let migration = product.migrations.iter().find(|migration| {
            let mut components = group.components.iter();
            components.any(|planned| is_crossed(migration, planned, found))
        })?;
        Some((group, migration))
    });
    let mut named: Vec<String> = found.users.iter().map(|(user, _)| user.clone()).collect();
    named.dedup();
    Some(PlannedStore {
        name: found.names.first()?.clone(),
        title: found.title.clone(),
        engine: found.engine,
        endpoint: found.endpoint.clone(),
        users: named,
        group: migrating.map_or(first, |(group, _)| group).name.clone(),
        may_be_empty: found.may_be_empty,
        cache: found.cache,
        exclude: found.exclude.clone(),
        elsewhere,
        change: migrating.map(|(_, migration)| DataChange::Migrated {
            title: migration.title.clone(),
        }),
        terms: StoreTerms::default(),
    })
}

fn is_planned(stores: &[PlannedStore], found: &FoundStore) -> bool {
    stores.iter().any(|store| store.endpoint == found.endpoint)
}

/// Whether a component's change rewrites a store's data.
fn is_crossed(
    migration: &Migration,
    planned: &super::PlannedComponent,
    found: &FoundStore,
) -> bool {
    let is_rewritten = |(user, rule): &(String, String)| {
        *user == migration.component && migration.stores.contains(rule)
    };
    migrations::is_crossed(migration, planned) && found.users.iter().any(is_rewritten)
}

/// Adds installed components that do not change and use the same store. Where its data change, they
/// are held with the group that changes them, and a later restore must know them. There, users of
/// other stores of the kind are added too: the preflight asks the servers whether they are one.
fn bystanders(
    product: &ProductManifest,
    inventory: &Inventory,
    store: &PlannedStore,
    plan: &mut InstallPlan,
) {
    for component in &product.components {
        let may_be_it = |found: &FoundStore| {
            store.change.is_some()
                && !inventory.idle.contains(&component.name)
                && found.engine == store.engine
                && found.users.iter().any(|(user, _)| *user == component.name)
        };
        let is_user =
            store.users.contains(&component.name) || inventory.stores.found.iter().any(may_be_it);
        let changes = plan
            .components()
            .any(|p| p.component.name == component.name);
        let is_known = plan.bystanders.iter().any(|b| b.name == component.name);
        let is_installed = !inventory.installed(&component.package).is_empty();
        if is_user && is_installed && !changes && !is_known {
            plan.bystanders.push(component.clone());
        }
    }
}
