//! Finds symlinks in the middle of the paths that a run changes. A snapshot keeps a symlink and not
//! what lies behind it, so such a path is saved by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{is_below_any, outer, roots};
use crate::layout::Layout;
use crate::plan::{Baseline, Group, InstallPlan};

/// Returns the symlinks below the saved trees through which the paths of some groups lead.
pub(crate) fn find(groups: &[&Group], baseline: &Baseline, layout: &Layout) -> Vec<String> {
    let (roots, _) = roots(groups, baseline);
    let trees = outer(&roots);
    let changes = groups.iter().flat_map(|group| group.changes());
    let directories = changes
        .flat_map(super::super::PackageChange::rpms)
        .flat_map(|rpm| &rpm.directories);
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for path in roots.iter().chain(directories) {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        for part in above.chain([path.as_str()]) {
            if !part.is_empty()
                && seen.insert(part)
                && is_below_any(part, &trees)
                && layout.at(part).is_symlink()
            {
                found.insert(part);
            }
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

/// Returns what a plan says about the symlinks of a host: those below the trees that it saves.
pub(crate) fn notes(
    plan: &InstallPlan,
    links: &BTreeMap<String, String>,
) -> impl Iterator<Item = String> {
    let groups: Vec<&Group> = plan.groups.iter().collect();
    let (trees, _) = super::trees(&groups, &Baseline::default());
    let inside = links
        .iter()
        .filter(move |(link, _)| is_below_any(link, &trees));
    inside.map(|(link, target)| {
        format!(
            "{link} is a symlink to {target}: behind it, only files that the run itself changes are \
             saved and put back"
        )
    })
}
