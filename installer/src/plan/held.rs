//! Which components a run holds beside those that change. Pure.

use manifests::product::Component;

use super::InstallPlan;

impl InstallPlan {
    /// Returns the components that do not change but are held while their data may change.
    pub fn standing_by(&self) -> impl Iterator<Item = &Component> {
        self.bystanders.iter().filter(|component| {
            let mut changed = self.stores.iter().filter(|store| store.change.is_some());
            changed.any(|store| store.users.contains(&component.name))
        })
    }

    /// Returns every component that the plan knows: the stores are found from their configuration.
    pub fn known_components(&self) -> impl Iterator<Item = &Component> {
        let changing = self.components().map(|planned| &planned.component);
        changing.chain(&self.bystanders)
    }
}
