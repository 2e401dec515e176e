//! What a plan says about the services that it touches, and the files that they use. Pure.

use std::collections::BTreeSet;

use manifests::product::Component;

use super::InstallPlan;
use crate::inventory::Inventory;
use crate::problem::Problem;

/// Notes what differs between running services and their files, and refuses units whose files
/// systemd has not read: a run makes it read them, and other settings than the plan's would count.
pub(super) fn add(inventory: &Inventory, plan: &mut InstallPlan, problems: &mut Vec<Problem>) {
    let changing: BTreeSet<String> = plan
        .components()
        .map(|planned| planned.component.name.clone())
        .collect();
    let changing = changing.iter();
    for service in changing.filter_map(|name| inventory.services.get(name)) {
        for note in &service.notes {
            // Some are about all services alike.
            if !plan.notes.contains(note) {
                plan.notes.push(note.clone());
            }
        }
        if let Some(unit) = &service.stale {
            problems.push(Problem::new(
                format!("the files of {unit} were changed after systemd read them"),
                "read them with `systemctl daemon-reload`, then plan again: the run would do so, and \
                 the service would get other settings than the plan shows",
            ));
        }
    }
}

/// Returns the files that a component's service uses and its product does not name.
pub(super) fn files(component: &Component, inventory: &Inventory) -> Vec<String> {
    let used = inventory.services.get(&component.name);
    let used = used.into_iter().flat_map(|service| &service.files);
    let is_other = |path: &&String| {
        let mut named = component.config.iter().chain(&component.environment);
        !named.any(|named| named == *path)
    };
    used.filter(is_other).cloned().collect()
}
