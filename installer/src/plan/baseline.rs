//! The state of a host before the first effect of a run. The run's backup depends on it, and a
//! revert is compared with it. Data only; the run takes it.

use std::collections::{BTreeMap, BTreeSet};

use manifests::product::Component;
use serde::{Deserialize, Serialize};

use super::scope::is_below_any;
use crate::document::Document;
use crate::health::Ill;
use crate::host::UnitState;
use crate::plan::mounted::Filesystem;
use crate::secure_fs::Ownership;

/// The state before a run, stored durably in the run's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Units of the plan and those that trigger them. Empty without systemd.
    pub units: BTreeMap<String, UnitState>,
    /// The output of `rpm -V`, by package.
    pub verify: BTreeMap<String, Vec<String>>,
    /// Active units that stop when a service stops, by service; starting the service does not start
    /// them again.
    pub dependents: BTreeMap<String, Vec<String>>,
    /// Components that were not healthy, and why.
    pub unwell: BTreeMap<String, Ill>,
    /// Files with names like rpm's temporary files that existed already.
    pub leftovers: BTreeSet<String>,
    /// Paths that may come with a needed package and did not exist.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<String>,
    /// Directories of such packages that existed. rpm resets their owner and mode, and removes them
    /// with the package if nothing else is in them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub directories: BTreeMap<String, Ownership>,
    /// Directories of drop-ins that existed: they stay when the holds are removed, also if empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub drop_in_dirs: BTreeSet<String>,
    /// Mount points of the host. What lies behind one below a tree may be shared with other hosts:
    /// it is neither saved nor put back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<String>,
    /// The filesystems of the directories that the run touches.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filesystems: BTreeMap<String, Filesystem>,
    /// Symlinks in the middle of paths that the run changes. A tree is saved without what lies behind
    /// them, and such a path by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// What was at each directory of the packages, and at each path whose kind a package changes. A
    /// revert puts the kind back before rpm puts the package back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, PathKind>,
    /// The directories above the symlinks among them: a scriptlet may move one, and a symlink comes
    /// back only into its directory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub above_links: BTreeMap<String, Ownership>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A directory.
    Directory,
    /// A symlink.
    Symlink {
        /// Where it leads.
        target: String,
        /// Its owner and times.
        owner: Ownership,
    },
    /// A file, or anything else.
    Other,
    /// Nothing.
    Absent,
}

impl Document for Baseline {
    const TYPE: &'static str = "airgap-bundle/baseline/1";
}

impl Baseline {
    /// Whether a path lies behind a mount, or behind a symlink in the middle of a tree.
    pub(crate) fn is_behind(&self, path: &str) -> bool {
        is_below_any(path, &self.mounts) || is_below_any(path, &self.links)
    }

    /// Returns the services of a component: the unit, or the loaded instances of a template.
    pub(crate) fn services<'a>(&'a self, component: &'a Component) -> Vec<&'a str> {
        let Some(unit) = &component.unit else {
            return Vec::new();
        };
        let stem = unit.strip_suffix("@.service");
        let belongs = |name: &&str| match stem {
            Some(stem) => name
                .strip_prefix(stem)
                .is_some_and(|rest| rest.starts_with('@')),
            None => *name == unit,
        };
        self.units
            .keys()
            .map(String::as_str)
            .filter(belongs)
            .collect()
    }

    /// Returns the services of several components.
    pub(crate) fn all_services<'a>(
        &'a self,
        components: impl IntoIterator<Item = &'a Component>,
    ) -> impl Iterator<Item = &'a str> {
        let each = components.into_iter();
        each.flat_map(|component| self.services(component))
    }

    /// Whether a unit ran before the run.
    pub(crate) fn was_up(&self, unit: &str) -> bool {
        self.units.get(unit).is_some_and(UnitState::is_up)
    }

    /// Returns the sockets, timers and paths that start a component's services.
    pub(crate) fn triggers<'a>(&'a self, component: &'a Component) -> BTreeSet<&'a str> {
        let services = self.services(component).into_iter();
        services
            .filter_map(|unit| self.units.get(unit))
            .flat_map(|s| &s.triggered_by)
            .map(String::as_str)
            .collect()
    }
}
