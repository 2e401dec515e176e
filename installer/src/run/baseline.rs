//! What the host was before the first effect: what a revert is compared with.

use std::collections::{BTreeMap, BTreeSet};

use manifests::product::Component;
use serde::{Deserialize, Serialize};

use super::{Context, VerifyLines, extras, needed};
use crate::backup::capture::{Contents, Writers, capture};
use crate::backup::changes;
use crate::backup::snapshot::Snapshot;
use crate::document::Document;
use crate::failure::chain;
use crate::health::{self, Expected, Ill};
use crate::host::{HostError, UnitState, query};
use crate::plan::{Group, PackageChange, PlannedComponent};
use crate::secure_fs::{self, Ownership};

/// The state before a run, durable in its directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Units of the plan and those that trigger them. Empty without systemd.
    pub units: BTreeMap<String, UnitState>,
    /// What `rpm -V` said, by package.
    pub verify: VerifyLines,
    /// Active units that stop when a service stops, by service; a stop does not start them again.
    pub dependents: BTreeMap<String, Vec<String>>,
    /// Components that were not well, and why.
    pub unwell: BTreeMap<String, Ill>,
    /// Files named like rpm's temporary ones that were there already.
    pub leftovers: BTreeSet<String>,
    /// Paths that may come with a package that a component needs, and that were not there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<String>,
    /// Directories of such packages that were there: rpm dresses them anew, and takes them along when
    /// nothing else is in them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub directories: BTreeMap<String, Ownership>,
}

impl Document for Baseline {
    const TYPE: &'static str = "airgap-bundle/baseline/1";
}

impl Baseline {
    /// Records the state of everything the plan touches.
    pub(super) fn take(context: &Context<'_>) -> Result<Self, HostError> {
        let mut baseline = Self::default();
        let systemd = context.host.identity()?.systemd;
        for change in context.plan.changes() {
            if change.from.is_some() {
                let lines = context.host.rpm_verify(&[change.package])?;
                baseline.verify.insert(change.package.to_owned(), lines);
            }
            baseline.leftovers.extend(leftovers(context, change));
            baseline.absent.extend(needed::absent(context, change));
            baseline
                .directories
                .extend(needed::directories(context, change));
        }
        for component in context.plan.all_components().filter(|_| systemd) {
            baseline.record_units(context, component)?;
        }
        for planned in context.plan.components().filter(|_| systemd) {
            baseline.record_illness(context, planned);
        }
        Ok(baseline)
    }

    fn record_units(
        &mut self,
        context: &Context<'_>,
        component: &Component,
    ) -> Result<(), HostError> {
        let Some(unit) = &component.unit else {
            return Ok(());
        };
        let mut units = vec![unit.clone()];
        if unit.contains("@.") {
            units = context.host.instances(unit)?;
        }
        for unit in units {
            let state = context.host.unit(&unit)?;
            for trigger in &state.triggered_by {
                self.units
                    .insert(trigger.clone(), context.host.unit(trigger)?);
            }
            self.dependents
                .insert(unit.clone(), dependents(context, &state)?);
            self.units.insert(unit, state);
        }
        Ok(())
    }

    fn record_illness(&mut self, context: &Context<'_>, planned: &PlannedComponent) {
        let unit = planned.component.unit.as_ref();
        let Some(unit) = unit.filter(|unit| !unit.contains("@.")) else {
            return;
        };
        let was_up = self.units.get(unit).is_some_and(UnitState::is_up);
        let expected = Expected {
            version: planned.from.nevra.evr().version(),
            program: planned.from.program_sha256,
        };
        if was_up
            && let Err(ill) =
                health::ask_before(context.host, context.layout, &planned.component, expected)
        {
            self.unwell.insert(planned.component.name.clone(), ill);
        }
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

/// Returns the active units that depend on a unit so that they stop with it, at any distance.
fn dependents(context: &Context<'_>, state: &UnitState) -> Result<Vec<String>, HostError> {
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<String> = state.dependents.clone();
    while let Some(unit) = open.pop() {
        if found.contains(&unit) {
            continue;
        }
        let state = context.host.unit(&unit)?;
        if state.is_up() {
            found.push(unit);
            open.extend(state.dependents);
        }
    }
    Ok(found)
}

/// Where rpm writes scriptlets while they run (`%_tmppath`).
const SCRIPTLET_DIR: &str = "/var/tmp";

/// Returns files that a killed rpm leaves: `name;5f3a2b1c` where a package's files are, and
/// `rpm-tmp.aB3dE6` of scriptlets.
pub(super) fn leftovers(context: &Context<'_>, change: PackageChange<'_>) -> BTreeSet<String> {
    let directories = change.rpms().flat_map(|rpm| &rpm.directories);
    let directories: BTreeSet<&str> = directories
        .map(String::as_str)
        .chain([SCRIPTLET_DIR])
        .collect();
    let mut found = BTreeSet::new();
    for directory in directories {
        let Ok(entries) = std::fs::read_dir(context.layout.at(directory)) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let of_scriptlet =
                directory == SCRIPTLET_DIR && is_scriptlet(&name) && is_roots(&entry);
            if is_leftover(&name) || of_scriptlet {
                found.insert(format!("{}/{name}", directory.trim_end_matches('/')));
            }
        }
    }
    found
}

fn is_scriptlet(name: &str) -> bool {
    name.strip_prefix("rpm-tmp.").is_some_and(|suffix| {
        suffix.len() == 6 && suffix.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Whether a file in a directory that everybody may write to is root's (or the caller's).
fn is_roots(entry: &std::fs::DirEntry) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let own = rustix::process::geteuid().as_raw();
    entry
        .metadata()
        .is_ok_and(|m| m.is_file() && (m.uid() == 0 || m.uid() == own))
}

fn is_leftover(name: &str) -> bool {
    name.rsplit_once(';').is_some_and(|(stem, suffix)| {
        !stem.is_empty() && suffix.len() == 8 && suffix.chars().all(|c| c.is_ascii_hexdigit())
    })
}

/// Under which names rpm, and a run, put a file aside beside itself.
const ASIDE: [&str; 4] = [".rpmnew", ".rpmsave", ".rpmorig", changes::YOURS];

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
    for path in extras::paths(groups) {
        excluded.remove(path);
        roots.insert(path.to_owned());
    }
    let below = |path: &String| {
        roots
            .iter()
            .any(|root| path.starts_with(&format!("{root}/")))
    };
    let outer: Vec<String> = roots.iter().filter(|path| !below(path)).cloned().collect();
    (outer, excluded.into_iter().collect())
}

impl Context<'_> {
    /// Returns the trees of some groups in this run. An undo also looks at what the undone run
    /// saved, so that "not looked at" is never taken for "deleted".
    pub(super) fn trees(
        &self,
        groups: &[&Group],
        baseline: &Baseline,
    ) -> (Vec<String>, Vec<String>) {
        let (mut roots, mut excluded) = trees(groups, baseline);
        if let Some(undone) = self.undone {
            roots.extend(
                undone
                    .before
                    .roots
                    .iter()
                    .chain(&undone.after.roots)
                    .cloned(),
            );
            roots.sort();
            roots.dedup();
            let all = roots.clone();
            let below =
                |path: &String| all.iter().any(|root| path.starts_with(&format!("{root}/")));
            roots.retain(|path| !below(path));
            excluded.retain(|path| undone.before.excluded.contains(path));
        }
        (roots, excluded)
    }
}

/// Captures the trees of some groups.
pub(super) fn snapshot(
    context: &Context<'_>,
    baseline: &Baseline,
    groups: &[&Group],
    writers: Writers,
) -> Result<Snapshot, String> {
    let (roots, excluded) = context.trees(groups, baseline);
    // The way back must be open to root before the way forward is taken.
    for root in roots
        .iter()
        .map(|root| context.layout.at(root))
        .filter(|root| root.exists())
    {
        secure_fs::Place::of(&root).map_err(|error| chain(&error))?;
    }
    let blobs = context.blobs().map_err(|error| chain(&error))?;
    capture(
        context.layout,
        Contents::Keep(&blobs),
        writers,
        &roots,
        &excluded,
    )
    .map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use super::{is_leftover, is_scriptlet};

    #[test]
    fn only_rpms_temporary_names_are_leftovers() {
        assert!(is_leftover("tyk;5f3a2b1c"));
        for name in [
            "tyk",
            ";5f3a2b1c",
            "tyk;5f3a",
            "tyk;notahex!",
            "tyk;5f3a2b1cd",
        ] {
            assert!(!is_leftover(name), "{name}");
        }
        assert!(is_scriptlet("rpm-tmp.aB3dE6"));
        assert!(!is_scriptlet("rpm-tmp.aB3dE") && !is_scriptlet("rpm-tmp.aB3d/6"));
    }
}
