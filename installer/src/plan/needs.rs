//! Finds what the components of a plan need beside their packages and the host lacks. Pure.
//!
//! Missing and conflicting packages are not judged here: rpm's own test does that before a run.

use std::collections::BTreeSet;

use manifests::bundle::{BundledRpm, Role, Target};
use manifests::closure::{Capabilities, Index, Offer, System, close, obsoletes};
use manifests::host_inventory::{HostPackage, is_primary_path};
use manifests::nevra::Nevra;
use manifests::package_files::{Dependency, PackageFiles};

use super::builds::is_build;
use super::packaged::{self, Sides};
use super::{Group, InstallPlan, PlannedPackage};
use crate::bundle::VerifiedMetadata;
use crate::inventory::Inventory;
use crate::problem::Problem;

/// Adds to each group what it needs, as if the earlier groups were installed.
pub(super) fn add(
    metadata: &VerifiedMetadata,
    inventory: &Inventory,
    target: &Target,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let carried: Vec<Carried<'_>> = [Role::Dependency, Role::Target]
        .into_iter()
        .flat_map(|role| metadata.manifest().rpms_for(target, role))
        .filter_map(|(purpose, rpm)| {
            let list = metadata.files(&rpm.sha256)?;
            let role = purpose.role;
            Some(Carried { rpm, list, role })
        })
        // A component changes in its own group, with its service held.
        .filter(|one| one.role == Role::Target || !is_component(metadata, one.rpm.nevra.name()))
        .collect();
    for one in carried.iter().filter(|one| one.role == Role::Target) {
        for group in plan.groups.iter().filter(|group| is_root(one, group)) {
            let obsoletes = one.list.obsoletes.iter();
            let found = obsoletes.flat_map(|obsolete| replaced(inventory, one, obsolete, group));
            problems.extend(found);
        }
    }
    if !carried.iter().any(|one| one.role == Role::Dependency) {
        return;
    }
    let mut host = inventory.everything.clone();
    let mut changes = BTreeSet::new();
    for group in &mut plan.groups {
        let added = needed(&carried, &host, inventory, group, problems);
        for (one, reason) in &added {
            if !changes.insert(one.rpm.nevra.name()) {
                problems.push(Problem::new(
                    format!(
                        "two versions of {} are needed, one after the other",
                        one.rpm.nevra.name()
                    ),
                    "build a bundle that carries one version which serves every component",
                ));
                continue;
            }
            match package(metadata, inventory, target, one, reason) {
                Ok(planned) => group.packages.push(planned),
                Err(problem) => problems.push(problem),
            }
        }
        let members = carried.iter().filter(|one| is_root(one, group));
        for one in members.chain(added.iter().map(|(one, _)| *one)) {
            host.retain(|other| other.nevra.name() != one.rpm.nevra.name());
            host.push(one.installed());
        }
    }
}

fn is_component(metadata: &VerifiedMetadata, package: &str) -> bool {
    let mut components = metadata.product().components.iter();
    components.any(|component| component.all_packages().any(|name| name == package))
}

/// Refuses a target that would replace a package of another name which the bundle does not carry: a
/// revert could not bring that package back.
fn replaced(
    inventory: &Inventory,
    one: &Carried<'_>,
    obsolete: &Dependency,
    group: &Group,
) -> Vec<Problem> {
    let own = one.rpm.nevra.name();
    let installed = inventory.installed(&obsolete.name).into_iter();
    let is_planned = |name: &str| group.packages.iter().any(|planned| planned.name == name);
    installed
        .filter(|installed| installed.nevra.name() != own)
        .filter(|installed| !is_planned(installed.nevra.name()))
        .filter(|installed| obsoletes(obsolete, &installed.nevra))
        .map(|installed| {
            Problem::new(
                format!(
                    "{} would replace the installed {}, and could not bring it back",
                    one.rpm.nevra, installed.nevra
                ),
                "rebuild the bundle with `--inventory` of this host, so that it carries that package \
                 too; or remove it first",
            )
        })
        .collect()
}

/// An RPM of the bundle that may be installed.
struct Carried<'a> {
    rpm: &'a BundledRpm,
    list: &'a PackageFiles,
    role: Role,
}

impl Carried<'_> {
    fn offer(&self) -> Offer {
        let list = self.list;
        Offer {
            nevra: self.rpm.nevra.clone(),
            source: self.rpm.sha256.to_string(),
            capabilities: Capabilities {
                provides: list.provides.clone(),
                requires: list.requires.clone(),
                conflicts: list.conflicts.clone(),
                obsoletes: list.obsoletes.clone(),
                files: list.files.iter().map(|file| file.path.clone()).collect(),
            },
        }
    }

    /// Returns the package as an inventory of a host would list it.
    fn installed(&self) -> HostPackage {
        let texts = |all: &[Dependency]| all.iter().map(ToString::to_string).collect();
        HostPackage {
            nevra: self.rpm.nevra.clone(),
            build_time: self.rpm.build_time,
            header: String::new(),
            provides: texts(&self.list.provides),
            conflicts: texts(&self.list.conflicts),
            paths: self
                .list
                .files
                .iter()
                .map(|file| file.path.clone())
                .filter(|path| is_primary_path(path))
                .collect(),
        }
    }
}

/// Whether an RPM is the target of a component in the group, or in lock step with one.
fn is_root(one: &Carried<'_>, group: &Group) -> bool {
    let mut members = group.changes().filter_map(|change| change.to);
    one.role == Role::Target && members.any(|to| to.sha256 == one.rpm.sha256)
}

/// Returns the packages that a group needs on a host, each with the reason.
fn needed<'a, 'b>(
    carried: &'b [Carried<'a>],
    host: &[HostPackage],
    inventory: &Inventory,
    group: &Group,
    problems: &mut Vec<Problem>,
) -> Vec<(&'b Carried<'a>, String)> {
    let usable: Vec<&Carried<'_>> = carried
        .iter()
        .filter(|one| one.role == Role::Dependency || is_root(one, group))
        .collect();
    let offers: Vec<Offer> = usable.iter().map(|one| one.offer()).collect();
    let Some(arch) = inventory.identity.arch else {
        return Vec::new();
    };
    let index = Index::new(&offers, arch, inventory.merged_usr);
    let has = |name: &str| host.iter().any(|package| package.nevra.name() == name);
    let tools = group.components.iter().flat_map(|planned| {
        let tools = planned.component.tools.iter();
        tools.map(|tool| (tool, format!("a tool of {}", planned.component.title)))
    });
    let mut found: Vec<(&Carried<'_>, String)> = tools
        .filter(|(tool, _)| !has(tool))
        .filter_map(|(tool, reason)| {
            let mut named: Vec<_> = usable.clone();
            named.retain(|one| one.rpm.nevra.name() == tool && one.role == Role::Dependency);
            let newest = named
                .into_iter()
                .max_by(|a, b| a.rpm.nevra.evr().cmp(b.rpm.nevra.evr()))?;
            Some((newest, reason))
        })
        .collect();
    let members = usable.iter().copied().filter(|one| is_root(one, group));
    let roots: Vec<usize> = members
        .chain(found.iter().map(|(one, _)| *one))
        .filter_map(|one| index.find(&one.rpm.nevra))
        .collect();
    let closure = close(&index, &System::of(host, inventory.merged_usr), &roots);
    for added in closure.added {
        found.push((
            usable[added.offer],
            format!("{} of {}", added.need, added.by),
        ));
    }
    let going = group.changes().filter(|change| change.to.is_none());
    let going: Vec<String> = going
        .filter_map(|change| Some(format!("the installed {} by ", change.from?.nevra)))
        .collect();
    let unplanned = closure.obsoleted.iter().filter(|replaced| {
        let mut going = going.iter();
        !going.any(|known| replaced.starts_with(known.as_str()))
    });
    problems.extend(unplanned.map(|replaced| {
        Problem::new(
            format!("the upgrade would replace {replaced}, and could not bring it back"),
            "remove or replace that package first",
        )
    }));
    found
}

fn package(
    metadata: &VerifiedMetadata,
    inventory: &Inventory,
    target: &Target,
    one: &Carried<'_>,
    reason: &str,
) -> Result<PlannedPackage, Problem> {
    let (to, list) = (one.rpm, one.list);
    let name = to.nevra.name();
    let from = match inventory.installed(name).as_slice() {
        [] => None,
        [installed] => {
            let previous = metadata
                .manifest()
                .rpms_for(target, Role::PreviousDependency)
                .filter_map(|(_, rpm)| Some((rpm, metadata.files(&rpm.sha256)?)))
                .find(|(rpm, list)| is_build(installed, rpm, list));
            Some(previous.ok_or_else(|| no_way_back(&installed.nevra, &to.nevra, reason))?)
        }
        several => {
            let names: Vec<String> = several.iter().map(|one| one.nevra.to_string()).collect();
            return Err(Problem::new(
                format!(
                    "{} is needed ({reason}) in place of several installed ones: {}",
                    to.nevra,
                    names.join(", ")
                ),
                "this tool changes one package of a name at a time: bring these up to date by other \
                 means first, or remove those that nothing needs",
            ));
        }
    };
    let sides = Sides {
        from,
        to: Some((to, list)),
    };
    packaged::plan(metadata, inventory, name, reason, sides)
}

fn no_way_back(installed: &Nevra, to: &Nevra, reason: &str) -> Problem {
    Problem::new(
        format!(
            "{installed} is installed, {to} is needed in its place ({reason}), and the bundle \
             cannot bring it back"
        ),
        "rebuild the bundle with `--inventory` of this host, so that it carries the installed one too",
    )
}

#[cfg(test)]
mod tests;
