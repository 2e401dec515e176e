//! Changes of versions that rewrite data for good, and what of these data was not found. Pure.

use manifests::evr::compare_versions;
use manifests::product::{Migration, ProductManifest};

use super::{Consent, DataChange, InstallPlan, PlannedComponent, PlannedStore, StoreTerms};
use crate::inventory::Inventory;
use crate::problem::Problem;

/// Whether a component's change rewrites the data that a migration names.
pub(super) fn is_crossed(migration: &Migration, planned: &PlannedComponent) -> bool {
    let is_reached = |version: &str| compare_versions(version, &migration.version).is_ge();
    let (from, to) = match (&planned.from, &planned.to) {
        (Some(from), Some(to)) => (from, to),
        // A component that comes to the host meets data only where its settings are there.
        (None, Some(to)) => {
            return planned.component.name == migration.component
                && planned.has_settings()
                && is_reached(to.nevra.evr().version());
        }
        _ => return false,
    };
    // A package of another name counts its versions anew.
    let is_renamed = from.nevra.name() != to.nevra.name();
    let (from, to) = (from.nevra.evr(), to.nevra.evr());
    planned.component.name == migration.component
        && (is_renamed || !is_reached(from.version()))
        && is_reached(to.version())
}

/// Whether any change of a plan rewrites data.
pub(super) fn any_crossed(product: &ProductManifest, plan: &InstallPlan) -> bool {
    let crossed = |planned| {
        let mut migrations = product.migrations.iter();
        migrations.any(|migration| is_crossed(migration, planned))
    };
    plan.components().any(crossed)
}

/// Refuses to rewrite data that were not found: there would be no dump of them, and no word. With
/// the operator's reason they are planned as data that are backed up elsewhere. Returns the names
/// of those.
pub(super) fn unfound<'c>(
    product: &ProductManifest,
    inventory: &Inventory,
    consent: &'c Consent,
    plan: &InstallPlan,
    stores: &mut Vec<PlannedStore>,
    problems: &mut Vec<Problem>,
) -> Vec<&'c str> {
    let mut used = Vec::new();
    for (group, planned) in plan
        .groups
        .iter()
        .flat_map(|group| group.components.iter().map(move |planned| (group, planned)))
    {
        let component = &planned.component;
        if inventory.idle.contains(&component.name) {
            continue;
        }
        let crossed = product.migrations.iter();
        for migration in crossed.filter(|migration| is_crossed(migration, planned)) {
            let rules = component.stores.iter();
            for rule in rules.filter(|rule| migration.stores.contains(&rule.id)) {
                let rewritten = (component.name.clone(), rule.id.clone());
                let mut found = inventory.stores.found.iter();
                if found.any(|store| store.users.contains(&rewritten)) {
                    continue;
                }
                let name = format!("{}-{}", component.name, rule.id);
                if let Some((known, reason)) = consent.elsewhere.get_key_value(&name) {
                    used.push(known.as_str());
                    stores.extend(rule.engine.engines().next().map(|engine| PlannedStore {
                        endpoint: format!("{name}, whose place is not known here"),
                        name,
                        title: rule.title.clone(),
                        engine,
                        users: vec![component.name.clone()],
                        group: group.name.clone(),
                        may_be_empty: true,
                        cache: false,
                        exclude: Vec::new(),
                        elsewhere: Some(reason.clone()),
                        change: Some(DataChange::Migrated {
                            title: migration.title.clone(),
                        }),
                        terms: StoreTerms::default(),
                    }));
                    continue;
                }
                let each = format!("{name}-");
                let mut unclear = inventory.stores.unclear.iter();
                // One that is not clear has its own problem, or its own note for an ordinary user.
                if !unclear.any(|store| store.name == name || store.name.starts_with(&each)) {
                    problems.push(if inventory.is_elsewhere {
                        elsewhere(planned, migration, &name, &rule.title)
                    } else {
                        not_found(planned, migration, &name, &rule.title)
                    });
                }
            }
        }
    }
    used
}

/// Below another root directory no data store can be asked.
fn elsewhere(
    planned: &PlannedComponent,
    migration: &Migration,
    name: &str,
    title: &str,
) -> Problem {
    let to = planned.to.as_ref().map(|to| to.nevra.to_string());
    let package = to.unwrap_or_else(|| planned.component.package.clone());
    Problem::new(
        format!(
            "{package} rewrites {title} for good ({}), and the data stores of another root directory \
             (--root) cannot be dumped from here",
            migration.title
        ),
        format!(
            "upgrade that host itself, without --root; if its data are safe without us, give the reason \
             with --backed-up-elsewhere {name}=REASON"
        ),
    )
}

fn not_found(
    planned: &PlannedComponent,
    migration: &Migration,
    name: &str,
    title: &str,
) -> Problem {
    let component = &planned.component;
    let unit = component.unit.as_ref().unwrap_or(&component.name);
    let to = planned.to.as_ref().map(|to| to.nevra.to_string());
    let package = to.unwrap_or_else(|| component.package.clone());
    Problem::new(
        format!(
            "{} rewrites {title} for good ({}), and the settings of {unit} do not say where they are",
            package, migration.title
        ),
        format!(
            "name the store in the component's configuration, in an environment file of {unit} or in a \
             drop-in; if its data are safe without us, give the reason with \
             --backed-up-elsewhere {name}=REASON"
        ),
    )
}

#[cfg(test)]
mod tests;
