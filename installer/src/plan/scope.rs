//! What a run will touch: the trees that it backs up, and the room that it needs on each filesystem.

mod room;

use std::collections::BTreeSet;

use super::{Baseline, Group, InstallPlan, PackageChange, PlanKind, PlannedComponent};
use crate::host::{RpmMode, query};

pub(crate) use room::{Need, needs};

/// What is added to the name of a file of which an edit could not be carried over.
pub const YOURS: &str = ".yours";

/// Under which names rpm, and a run, put a file aside beside itself.
const ASIDE: [&str; 4] = [".rpmnew", ".rpmsave", ".rpmorig", YOURS];

/// Returns the files of a component's configuration outside its trees, there or not: what the product
/// names, what the plan forecasts, what is customary for a service, and what the administrator wrote for
/// its units. A directory of drop-ins may appear as well as a file.
fn configured(planned: &PlannedComponent, baseline: &Baseline) -> Vec<String> {
    let component = &planned.component;
    let forecast = planned.config.iter().map(|forecast| &forecast.path);
    let named = component.config.iter().chain(&component.environment);
    let with_asides = |path: &String| {
        let beside = ASIDE.iter().map(move |suffix| format!("{path}{suffix}"));
        beside.chain([path.clone()]).collect::<Vec<_>>()
    };
    let mut found: Vec<String> = named.chain(forecast).flat_map(with_asides).collect();
    let own = component.unit.as_deref().into_iter();
    let units: BTreeSet<&str> = own
        .chain(baseline.services(component))
        .chain(baseline.triggers(component))
        .collect();
    for unit in &units {
        found.push(format!("/etc/systemd/system/{unit}"));
        found.push(format!("/etc/systemd/system/{unit}.d"));
    }
    let stem = |unit: &&str| unit.split(['@', '.']).next().unwrap_or_default().to_owned();
    let mut owners: BTreeSet<String> = units.iter().map(stem).collect();
    owners.extend([component.name.clone(), component.package.clone()]);
    for name in owners {
        let customary = ["/etc/default", "/etc/sysconfig"].map(|dir| format!("{dir}/{name}"));
        found.extend(customary.iter().flat_map(with_asides));
    }
    found
}

/// Returns the trees of some groups' backup and what is left out of them.
pub(crate) fn trees(groups: &[&Group], baseline: &Baseline) -> (Vec<String>, Vec<String>) {
    let (mut roots, mut excluded) = (BTreeSet::new(), BTreeSet::new());
    for planned in groups.iter().flat_map(|group| &group.components) {
        let component = &planned.component;
        for tree in &component.backup {
            roots.insert(tree.path.clone());
            excluded.extend(tree.exclude.iter().cloned());
        }
        roots.extend(configured(planned, baseline));
    }
    for change in groups.iter().flat_map(|group| group.changes()) {
        // What a package that comes would write over is nobody else's to bring back.
        let coming = change.needed.filter(|_| change.to.is_some());
        let brought = coming.into_iter().flat_map(|planned| &planned.files);
        roots.extend(
            brought
                .filter(|path| !baseline.absent.contains(*path))
                .cloned(),
        );
        // A file of the package that somebody changed cannot be had again from the package.
        let lines = baseline.verify.get(change.package).into_iter().flatten();
        for (path, content_differs) in lines.filter_map(|line| query::changed_file(line)) {
            if content_differs {
                excluded.remove(path);
            }
            roots.insert(path.to_owned());
        }
    }
    // Each file beside the packages is a tree by itself: its directory may be the operator's choice, and
    // shared with others.
    for extra in groups.iter().flat_map(|group| &group.extras.coming) {
        excluded.remove(&extra.path);
        roots.insert(extra.path.clone());
    }
    (outer(&roots), excluded.into_iter().collect())
}

/// Returns the paths that are below none of the others.
pub(crate) fn outer(paths: &BTreeSet<String>) -> Vec<String> {
    let is_below = |path: &&String| {
        let mut roots = paths.iter();
        roots.any(|root| path.starts_with(&format!("{root}/")))
    };
    paths
        .iter()
        .filter(|path| !is_below(path))
        .cloned()
        .collect()
}

impl InstallPlan {
    /// Returns how rpm is called for the plan.
    pub(crate) const fn rpm_mode(&self) -> RpmMode {
        match self.kind {
            PlanKind::Upgrade if self.downgrade_because.is_none() => RpmMode::Upgrade,
            PlanKind::Upgrade | PlanKind::Undo { .. } | PlanKind::Restore { .. } => RpmMode::GoBack,
        }
    }

    /// Returns the directories of all its packages.
    pub(crate) fn directories(&self) -> BTreeSet<String> {
        let rpms = self.changes().flat_map(PackageChange::rpms);
        rpms.flat_map(|rpm| rpm.directories.iter().cloned())
            .collect()
    }
}
