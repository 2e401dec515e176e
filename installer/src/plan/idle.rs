//! Components that are not used on this host: their units are neither enabled nor at work. Their
//! stores are not asked for: no run starts them, and nothing writes there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use manifests::product::ProductManifest;

use super::{InstallPlan, migrations};
use crate::inventory::Inventory;
use crate::stores::{FoundStore, FoundStores};

/// Returns the stores of the components that are used here.
pub(super) fn without(inventory: &Inventory) -> FoundStores {
    let is_idle = |component: &str| inventory.idle.contains(component);
    let is_used = |store: &&FoundStore| store.users.iter().any(|(user, _)| !is_idle(user));
    let FoundStores { found, unclear } = &inventory.stores;
    FoundStores {
        found: found.iter().filter(is_used).cloned().collect(),
        unclear: unclear
            .iter()
            .filter(|store| !is_idle(&store.component))
            .cloned()
            .collect(),
    }
}

/// Notes which components are left out, and what they do once they are started.
pub(super) fn note(product: &ProductManifest, inventory: &Inventory, plan: &mut InstallPlan) {
    let (mut notes, mut idle) = (Vec::new(), Vec::new());
    let mut changes = BTreeMap::new();
    for planned in plan.components() {
        let component = &planned.component;
        if !inventory.idle.contains(&component.name) || component.stores.is_empty() {
            continue;
        }
        let (name, unit) = (
            &component.name,
            component.unit.as_deref().unwrap_or_default(),
        );
        let mut note = format!(
            "{unit} is neither enabled nor running: the data stores of {name} are not looked at and \
             not dumped"
        );
        let crossed = product.migrations.iter();
        let crossed: BTreeSet<&str> = crossed
            .filter(|migration| migrations::is_crossed(migration, planned))
            .map(|migration| migration.title.as_str())
            .collect();
        if !crossed.is_empty() {
            let titles: Vec<&str> = crossed.into_iter().collect();
            note += &format!(
                ". ATTENTION: started after this run, it changes data for good ({}): dump them first",
                titles.join("; ")
            );
            let titles = titles.into_iter().map(str::to_owned).collect();
            changes.insert(name.clone(), titles);
        }
        notes.push(note);
        idle.push(name.clone());
    }
    plan.notes.extend(notes);
    plan.idle = idle;
    plan.idle_changes = changes;
}
