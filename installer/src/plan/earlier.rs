//! What planners know of an earlier run, and what the inventory must read to plan a return to the
//! state before it.

use manifests::product::Component;

use super::{InstallPlan, PlanKind};
use crate::inventory::Subject;
use crate::trust::sequence::Mark;

/// An earlier run, as planners see it.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// Its number.
    pub id: u64,
    /// The run's plan.
    pub plan: &'a InstallPlan,
    /// Whether the run ended as done.
    pub is_done: bool,
}

impl Earlier<'_> {
    /// Whether the run changed a package.
    pub(super) fn changed(&self, package: &str) -> bool {
        let mut changes = self.plan.changes();
        changes.any(|change| change.package == package)
    }
}

impl InstallPlan {
    /// Returns the mark that the host remembers once `run` has committed the plan; nothing for a
    /// plan that goes back.
    #[must_use]
    pub fn mark(&self, run: u64) -> Option<Mark> {
        let is_signed_upgrade = self.kind == PlanKind::Upgrade && !self.signers.is_empty();
        is_signed_upgrade.then(|| Mark {
            product: self.product.clone(),
            channel: self.channel.clone(),
            signers: self.signers.clone(),
            sequence: self.sequence,
            bundle: self.bundle,
            run,
            rest: serde_json::Map::new(),
        })
    }

    /// Returns what the inventory must read to undo the plan.
    #[must_use]
    pub fn to_undo(&self) -> Subject<'_> {
        let back = self.changes().filter_map(|change| change.from);
        Subject {
            packages: self.changes().map(|change| change.package).collect(),
            components: self.known_components().collect(),
            stored: back.map(|rpm| rpm.sha256).collect(),
            ..Subject::default()
        }
    }

    /// Returns what the inventory must read to restore the data from before the plan.
    #[must_use]
    pub fn to_restore(&self) -> Subject<'_> {
        let components: Vec<&Component> = self.known_components().collect();
        Subject {
            packages: components.iter().map(|c| c.package.as_str()).collect(),
            components,
            ..Subject::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::history::test_runs::past_run;

    #[test]
    fn an_undo_is_no_newer_bundle() {
        let signed = |kind| InstallPlan {
            signers: BTreeSet::from([crate::trust::test_keys::id(10)]),
            ..past_run(1, kind, None).plan
        };
        assert_eq!(signed(PlanKind::Upgrade).mark(7).unwrap().run, 7);
        assert_eq!(signed(PlanKind::Undo { run: 1 }).mark(7), None);
    }
}
