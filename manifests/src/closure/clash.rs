//! Which packages exclude each other, by their headers.

use std::collections::HashSet;

use crate::package_files::Dependency;

use super::relation::overlaps;
use super::search::{Draft, Search, own};

impl Search<'_> {
    /// Returns why the header of `at` excludes `other`, if it does.
    pub(super) fn clash(&self, at: usize, other: usize) -> Option<String> {
        let (own_side, other_side) = (self.index.offer(at), self.index.offer(other));
        if at == other {
            return None;
        }
        let (name, theirs) = (&own_side.nevra, &other_side.nevra);
        let conflict = own_side.capabilities.conflicts.iter().find(|conflict| {
            let provides = &other_side.capabilities.provides;
            provides.iter().any(|offer| overlaps(offer, conflict))
        });
        if let Some(conflict) = conflict {
            return Some(format!("{name} conflicts with {theirs} ({conflict})"));
        }
        let obsolete = own_side
            .capabilities
            .obsoletes
            .iter()
            .find(|obsolete| name.name() != theirs.name() && overlaps(&own(theirs), obsolete));
        obsolete.map(|_| format!("{name} obsoletes {theirs}"))
    }

    pub(super) fn installed_conflicts(&self, at: usize, gone: &HashSet<&str>) -> Vec<String> {
        let offer = self.index.offer(at);
        let nevra = &offer.nevra;
        let mut found = Vec::new();
        for conflict in &offer.capabilities.conflicts {
            for installed in self.system.providers(conflict, gone) {
                let installed = &self.system.packages[installed].nevra;
                if installed.name() != nevra.name() {
                    found.push(format!("{nevra} conflicts with the installed {installed}"));
                }
            }
        }
        let staying = self.system.packages.iter().filter(|installed| {
            let name = installed.nevra.name();
            !gone.contains(name) && name != nevra.name()
        });
        for installed in staying {
            let meets = |conflict: &Dependency| {
                let provides = &offer.capabilities.provides;
                provides.iter().any(|offer| overlaps(offer, conflict))
            };
            if installed.conflicts.iter().any(meets) {
                let other = &installed.nevra;
                found.push(format!("the installed {other} conflicts with {nevra}"));
            }
        }
        found
    }

    pub(super) fn all_conflicts(&self, draft: &Draft) -> Vec<String> {
        let gone = self.gone(draft);
        let mut found = Vec::new();
        for &at in &draft.set {
            found.extend(draft.set.iter().filter_map(|&other| self.clash(at, other)));
            found.extend(self.installed_conflicts(at, &gone));
        }
        found.sort();
        found.dedup();
        found
    }

    pub(super) fn obsoleted(&self, draft: &Draft) -> Vec<String> {
        let mut found = Vec::new();
        for &at in &draft.set {
            let offer = self.index.offer(at);
            for obsolete in &offer.capabilities.obsoletes {
                let Some(installed) = self.system.named(&obsolete.name) else {
                    continue;
                };
                let is_own = obsolete.name == offer.nevra.name();
                if !is_own && overlaps(&own(installed), obsolete) {
                    let nevra = &offer.nevra;
                    found.push(format!("the installed {installed} by {nevra}"));
                }
            }
        }
        found.sort();
        found
    }
}
