//! Packages that change in one transaction with a component's own: those in exact lock step with it,
//! and those of another name that it replaces (`Obsoletes:`). Pure.

use manifests::bundle::Role;
use manifests::closure::obsoletes;
use manifests::package_files::PackageFiles;

use super::builds::{duplicate, is_build};
use super::packaged::{self, Sides};
use super::upgrade::{Case, Listed};
use super::{PlannedPackage, age, turned};
use crate::host::InstalledPackage;
use crate::problem::Problem;

/// Returns the installed package of another name that a target replaces, if the component itself is
/// not installed.
pub(super) fn predecessor<'a>(case: &Case<'a>, to: &PackageFiles) -> Option<&'a InstalledPackage> {
    let inputs = case.inputs;
    let is_of_product = |name: &str| {
        let mut components = inputs.metadata.product().components.iter();
        components.any(|component| component.all_packages().any(|own| own == name))
    };
    let mut installed = inputs.inventory.packages.iter();
    installed.find(|installed| {
        let replaces = |obsolete| obsoletes(obsolete, &installed.nevra);
        !is_of_product(installed.nevra.name()) && to.obsoletes.iter().any(replaces)
    })
}

/// Plans what else the coming packages replace.
fn gone(
    case: &Case<'_>,
    installed: &InstalledPackage,
    coming: &[Listed<'_>],
    packages: &mut Vec<PlannedPackage>,
    problems: &mut Vec<Problem>,
) {
    let known = packages.iter().map(|planned| planned.name.clone());
    let known: Vec<String> = known.collect();
    let gone = case.inputs.inventory.packages.iter().filter(|there| {
        let is_known = known.iter().any(|name| name == there.nevra.name());
        !is_known && there.nevra.name() != installed.nevra.name()
    });
    for there in gone {
        let is_replaced = |listed: &&Listed<'_>| {
            let own = listed.0.nevra.name() == there.nevra.name();
            let mut all = listed.1.obsoletes.iter();
            !own && all.any(|obsolete| obsoletes(obsolete, &there.nevra))
        };
        // One that the bundle does not carry is refused with all the others.
        if let Some(by) = coming.iter().find(is_replaced)
            && case.way_back(there).is_ok()
        {
            match replaced(case, there, *by) {
                Ok(planned) => packages.push(planned),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

/// Plans everything that changes with a component from one package to another.
pub(super) fn plan(
    case: &Case<'_>,
    installed: &InstalledPackage,
    to: Listed<'_>,
) -> Result<Vec<PlannedPackage>, Vec<Problem>> {
    let (mut packages, mut problems) = (Vec::new(), Vec::new());
    let mut take = |planned: Result<PlannedPackage, Problem>| match planned {
        Ok(planned) => packages.push(planned),
        Err(problem) => problems.push(problem),
    };
    let title = &case.component.title;
    if installed.nevra.name() != to.0.nevra.name() {
        let reason = format!("{title}, in place of {}", installed.nevra.name());
        let successor = one(case, to.0.nevra.name(), &reason, None, Some(to));
        take(successor.map(|planned| PlannedPackage {
            turned: turned::find(&installed.files, to.1),
            ..planned
        }));
        take(replaced(case, installed, to));
    }
    let mut coming = vec![to];
    for found in in_step(case, to) {
        let name = found.0.nevra.name();
        match case.inputs.inventory.installed(name).as_slice() {
            [] => {
                if coming.iter().any(|(_, list)| needs(list, name)) {
                    take(one(case, name, &needed_by(title), None, Some(found)));
                    coming.push(found);
                }
            }
            [there] if there.nevra == found.0.nevra && is_build(there, found.0, found.1) => {}
            [there] => {
                let reason = format!("in lock step with {title}");
                let is_newer = there.nevra.evr() > found.0.nevra.evr();
                let back = case.way_back(there).map_err(|problem| {
                    if is_newer {
                        age::no_way_up(&there.nevra, &found.0.nevra)
                    } else {
                        problem
                    }
                });
                take(back.and_then(|back| one(case, name, &reason, Some(back), Some(found))));
                coming.push(found);
            }
            several => take(Err(duplicate(name, several))),
        }
    }
    gone(case, installed, &coming, &mut packages, &mut problems);
    if problems.is_empty() {
        Ok(packages)
    } else {
        Err(problems)
    }
}

/// Plans all packages of a component that the host does not have.
pub(super) fn all(case: &Case<'_>, to: Listed<'_>) -> Result<Vec<PlannedPackage>, Vec<Problem>> {
    let title = &case.component.title;
    let mut coming = vec![(to, format!("first installation of {title}"))];
    for found in in_step(case, to) {
        let is_there = !case
            .inputs
            .inventory
            .installed(found.0.nevra.name())
            .is_empty();
        if !is_there {
            coming.push((found, format!("in lock step with {title}")));
        }
    }
    let (mut packages, mut problems) = (Vec::new(), Vec::new());
    for (listed, reason) in coming {
        match one(case, listed.0.nevra.name(), &reason, None, Some(listed)) {
            Ok(planned) => packages.push(planned),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(packages)
    } else {
        Err(problems)
    }
}

/// Refuses a host on which the component is at its target, and a package in lock step with it is
/// not.
pub(super) fn refuse_mixed(case: &Case<'_>) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    let targets = case.carried(Role::Target);
    for (rpm, _) in targets.filter(|(rpm, _)| is_in_step(case, rpm.nevra.name())) {
        for there in case.inputs.inventory.installed(rpm.nevra.name()) {
            if there.nevra != rpm.nevra {
                problems.push(Problem::new(
                    format!(
                        "{} is installed, and {} is at its target: both must have one version",
                        there.nevra, case.component.package
                    ),
                    "an earlier transaction was cut off or forced: bring both to one version with rpm, \
                     then plan again",
                ));
            }
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn is_in_step(case: &Case<'_>, name: &str) -> bool {
    case.component
        .packages
        .iter()
        .any(|package| package == name)
}

/// Returns the targets in lock step with a component's, in the order of the product manifest.
fn in_step<'a>(case: &Case<'a>, to: Listed<'a>) -> Vec<Listed<'a>> {
    let all: Vec<Listed<'a>> = case.carried(Role::Target).collect();
    let names = case.component.packages.iter();
    let find = |name: &String| {
        let mut all = all.iter();
        all.find(|(rpm, _)| rpm.nevra.name() == name && rpm.sha256 != to.0.sha256)
    };
    names.filter_map(find).copied().collect()
}

fn needs(list: &PackageFiles, name: &str) -> bool {
    list.requires.iter().any(|need| need.name == name)
}

fn needed_by(title: &str) -> String {
    format!("in lock step with {title}, which needs it")
}

fn one(
    case: &Case<'_>,
    name: &str,
    reason: &str,
    from: Option<Listed<'_>>,
    to: Option<Listed<'_>>,
) -> Result<PlannedPackage, Problem> {
    let (metadata, inventory) = (case.inputs.metadata, case.inputs.inventory);
    packaged::plan(metadata, inventory, name, reason, Sides { from, to })
}

/// Plans a package that its successor removes.
fn replaced(
    case: &Case<'_>,
    there: &InstalledPackage,
    by: Listed<'_>,
) -> Result<PlannedPackage, Problem> {
    let back = case.way_back(there)?;
    let by = by.0.nevra.name();
    let reason = format!("{by} replaces it");
    let planned = one(case, there.nevra.name(), &reason, Some(back), None)?;
    Ok(PlannedPackage {
        successor: Some(by.to_owned()),
        ..planned
    })
}
