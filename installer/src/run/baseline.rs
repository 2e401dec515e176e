//! Records the state of the host before the first effect of a run, and takes the snapshots of its
//! trees. A revert puts back this state and compares the host with it.

use std::collections::BTreeSet;

use manifests::product::Component;

use super::error::{StepError, differs};
use super::{Baseline, Context, kinds, mounted, needed};
use crate::backup::capture::{Contents, Writers, capture};
use crate::backup::snapshot::Snapshot;
use crate::event::Event;
use crate::health;
use crate::host::{HostError, UnitState};
use crate::plan::scope::{self, outer, trees};
use crate::plan::{Group, PackageChange, PlanKind, PlannedComponent};
use crate::secure_fs;

/// Records the state of everything the plan touches.
pub(super) fn take(context: &Context<'_>) -> Result<Baseline, StepError> {
    let mut baseline = Baseline::default();
    let systemd = context.host.identity()?.systemd;
    if context.layout.is_live() {
        baseline.mounts = context.host.mounts()?;
        mounted::record(context, &mut baseline)?;
    }
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
    let groups: Vec<&Group> = context.plan.groups.iter().collect();
    baseline.links = scope::links(&groups, &baseline, context.layout);
    kinds::record(context, &mut baseline);
    for component in context.plan.all_components().filter(|_| systemd) {
        record_units(&mut baseline, context, component)?;
    }
    for planned in context.plan.components().filter(|_| systemd) {
        record_illness(&mut baseline, context, planned)?;
    }
    Ok(baseline)
}

fn record_units(
    baseline: &mut Baseline,
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
            baseline
                .units
                .insert(trigger.clone(), context.host.unit(trigger)?);
        }
        baseline
            .dependents
            .insert(unit.clone(), dependents(context, &state)?);
        let there = context.layout.hold_dirs(&unit).into_iter();
        let there = there.filter(|dir| dir.is_dir());
        baseline
            .drop_in_dirs
            .extend(there.map(|dir| dir.display().to_string()));
        baseline.units.insert(unit, state);
    }
    Ok(())
}

/// Asks a service once more, right before the run. An upgrade may only begin on a service that is
/// well, or that the operator allowed to be ill; a run that goes back may begin on any.
fn record_illness(
    baseline: &mut Baseline,
    context: &Context<'_>,
    planned: &PlannedComponent,
) -> Result<(), StepError> {
    let Context {
        host, layout, plan, ..
    } = *context;
    let component = &planned.component;
    let Some(unit) = component.unit.as_ref().filter(|unit| baseline.was_up(unit)) else {
        return Ok(());
    };
    if unit.contains("@.") {
        return Ok(());
    }
    let tell = |what| (context.listener)(&Event::Waiting { what });
    let Some(from) = &planned.from else {
        return Ok(());
    };
    let asked = health::ask_before(host, layout, component, from.expected(), &tell);
    let Err(ill) = asked else {
        return Ok(());
    };
    if plan.kind == PlanKind::Upgrade && plan.may_be_ill(&component.name).is_none() {
        return differs(format!(
            "{} is not well before the run, since a moment ago: {}",
            component.title, ill.why
        ));
    }
    baseline.unwell.insert(component.name.clone(), ill);
    Ok(())
}

/// Returns the active units that stop when a unit stops, directly or through others.
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

/// The directory to which rpm writes scriptlets while they run (`%_tmppath`).
const SCRIPTLET_DIR: &str = "/var/tmp";

/// Returns the files that a killed rpm leaves: `name;5f3a2b1c` beside a package's files, and
/// scriptlets named `rpm-tmp.aB3dE6`.
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

/// Returns those that did not exist before the run. A scriptlet of an rpm that is at work is that
/// rpm's own, and goes with it.
pub(super) fn new_leftovers(
    context: &Context<'_>,
    baseline: &Baseline,
    change: PackageChange<'_>,
) -> Result<Vec<String>, StepError> {
    let new = || -> Vec<String> {
        let found = leftovers(context, change);
        found.difference(&baseline.leftovers).cloned().collect()
    };
    let found = new();
    if found.iter().any(|path| path.starts_with(SCRIPTLET_DIR)) {
        context.wait_for_rpm()?;
        return Ok(new());
    }
    Ok(found)
}

fn is_scriptlet(name: &str) -> bool {
    name.strip_prefix("rpm-tmp.").is_some_and(|suffix| {
        suffix.len() == 6 && suffix.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Whether a file in a world-writable directory belongs to root (or the caller).
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

impl Context<'_> {
    /// Returns the trees of some groups in this run. An undo also looks at what the undone run
    /// saved, so that a path that was left out never counts as deleted.
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
            let behind = roots.clone();
            roots = outer(&roots.into_iter().collect());
            // What lies behind a mount or a symlink is saved path by path.
            let behind = behind.into_iter().filter(|path| baseline.is_behind(path));
            let behind: BTreeSet<String> = behind.filter(|path| !roots.contains(path)).collect();
            roots.extend(behind);
            excluded.retain(|path| {
                undone.before.excluded.contains(path) || baseline.mounts.contains(path)
            });
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
) -> Result<Snapshot, StepError> {
    let (roots, excluded) = context.trees(groups, baseline);
    // Root must be able to write every tree back before the run changes anything.
    for root in roots
        .iter()
        .map(|root| context.layout.at(root))
        .filter(|root| root.exists())
    {
        secure_fs::Place::of(&root)?;
        if root.is_dir() {
            secure_fs::Place::of(&root.join("x"))?;
        }
    }
    let blobs = context.blobs()?;
    let found = capture(
        context.layout,
        Contents::Keep(&blobs),
        writers,
        &roots,
        &excluded,
    )?;
    Ok(found)
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
