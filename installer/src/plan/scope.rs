//! Finds what a run will touch: the trees that it backs up, and the space that it needs on each
//! filesystem.

mod links;
mod room;

use std::collections::BTreeSet;

use super::{Baseline, Group, InstallPlan, PackageChange, PlanKind, PlannedComponent};
use crate::host::{RpmMode, query};

pub(crate) use links::{find as links, notes as link_notes};
pub(crate) use room::{Need, needs};

/// The suffix of a file that holds an edit which could not be carried over.
pub const YOURS: &str = ".yours";

/// The suffixes under which rpm, or a run, puts a file aside.
const ASIDE: [&str; 4] = [".rpmnew", ".rpmsave", ".rpmorig", YOURS];

/// Whether rpm, or a run, put a file aside under this name.
pub(crate) fn is_aside(path: &str) -> bool {
    ASIDE.iter().any(|suffix| path.ends_with(suffix))
}

/// Returns a component's configuration files outside its trees, whether they exist or not: those
/// that the product names, those that its unit names, those with a forecast, the customary ones of a service, and the
/// administrator's files for its units. A directory of drop-ins may appear as well as a file.
fn configured(planned: &PlannedComponent, baseline: &Baseline) -> Vec<String> {
    let component = &planned.component;
    let forecast = planned.config.iter().map(|forecast| &forecast.path);
    let named = component.config.iter().chain(&component.environment);
    let named = named.chain(&planned.files);
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

/// Returns every path to back up for some groups, with what lies below it, and the paths that are
/// left out.
fn roots(groups: &[&Group], baseline: &Baseline) -> (BTreeSet<String>, BTreeSet<String>) {
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
        // Only this backup can restore a file that a new package overwrites.
        let coming = change.needed.filter(|_| change.to.is_some());
        let brought = coming.into_iter().flat_map(|planned| &planned.files);
        roots.extend(
            brought
                .filter(|path| !baseline.absent.contains(*path))
                .cloned(),
        );
        for turned in change.turned {
            roots.extend(turned.target.iter().chain([&turned.path]).cloned());
        }
        // An edited file of a package cannot be restored from the package.
        let lines = baseline.verify.get(change.package).into_iter().flatten();
        for (path, content_differs) in lines.filter_map(|line| query::changed_file(line)) {
            if content_differs {
                excluded.remove(path);
            }
            roots.insert(path.to_owned());
        }
    }
    // Each file beside the packages is its own tree: the operator may have chosen its directory,
    // and other files may share it.
    for extra in groups.iter().flat_map(|group| &group.extras.coming) {
        excluded.remove(&extra.path);
        roots.insert(extra.path.clone());
    }
    (roots, excluded)
}

/// Returns the trees to back up for some groups, and the paths that are left out of them.
pub(crate) fn trees(groups: &[&Group], baseline: &Baseline) -> (Vec<String>, Vec<String>) {
    let (roots, mut excluded) = roots(groups, baseline);
    let mut trees = outer(&roots);
    for mount in baseline
        .mounts
        .iter()
        .filter(|mount| is_below_any(mount, &trees))
    {
        excluded.insert(mount.clone());
    }
    // A path that the run itself changes is saved also behind a mount or a symlink.
    let behind = |path: &&String| !trees.contains(path) && baseline.is_behind(path);
    let behind: Vec<String> = roots.iter().filter(behind).cloned().collect();
    trees.extend(behind);
    (trees, excluded.into_iter().collect())
}

/// Returns what a plan says about mounts inside the trees that it backs up.
pub(crate) fn mount_notes(plan: &InstallPlan, mounts: &[String]) -> Vec<String> {
    let baseline = Baseline {
        mounts: mounts.to_vec(),
        ..Baseline::default()
    };
    let groups: Vec<&Group> = plan.groups.iter().collect();
    let (_, excluded) = trees(&groups, &baseline);
    let crossed = mounts.iter().filter(|mount| excluded.contains(mount));
    let note = |mount: &String| {
        format!(
            "{mount} is a mount of its own and may be shared with other hosts: what lies behind it is \
             neither saved nor put back"
        )
    };
    crossed.map(note).collect()
}

/// Whether a path lies below one of some directories.
pub(crate) fn is_below_any(path: &str, directories: &[String]) -> bool {
    let is_below = |dir: &String| {
        path.strip_prefix(dir.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    };
    directories.iter().any(is_below)
}

/// Returns the paths that are not below another one.
pub(crate) fn outer(paths: &BTreeSet<String>) -> Vec<String> {
    let all: Vec<String> = paths.iter().cloned().collect();
    let outer = all.iter().filter(|path| !is_below_any(path, &all));
    outer.cloned().collect()
}

impl InstallPlan {
    /// Returns the mode in which rpm runs for the plan.
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
