//! Choices of the environment and the site's file that do not concern a run. Such a file is written
//! for many hosts: what means nothing here is noted and not refused. Pure.

use super::InstallPlan;
use crate::site_file::{Chosen, is_standing};

/// Sets aside the names of a key that mean nothing in this run and come from a standing source.
/// Returns the other ones: mistakes on the command line.
pub(super) fn set_aside<'n>(
    plan: &mut InstallPlan,
    key: &str,
    names: impl Iterator<Item = &'n String>,
) -> Vec<&'n str> {
    let (standing, mistakes): (Vec<&str>, Vec<&str>) = names
        .map(String::as_str)
        .partition(|name| is_standing(&plan.chosen, key, name));
    plan.chosen.retain(|one| {
        let name = one.name.as_deref().unwrap_or_default();
        one.key != key || !standing.contains(&name)
    });
    if !standing.is_empty() {
        plan.notes.push(format!(
            "the site's choices of --{key} for {} mean nothing in this run",
            standing.join(", ")
        ));
    }
    mistakes
}

impl InstallPlan {
    /// Records the choices for a run that goes back. A run has no use for the names of others.
    pub fn keep_choices(&mut self, chosen: &[Chosen]) {
        let known = |name: &str| {
            self.stores.iter().any(|store| store.name == name)
                || self
                    .components()
                    .any(|planned| planned.component.name == name)
        };
        let concerns =
            |one: &&Chosen| one.name.as_deref().is_none_or(known) && !self.is_replaced(one);
        let kept: Vec<Chosen> = chosen.iter().filter(concerns).cloned().collect();
        self.chosen = kept;
    }
}
