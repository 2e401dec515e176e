//! Packages beside a component's own: those in exact lock step with it, and those of another name that
//! it replaces (`Obsoletes:`).

use manifests::bundle::Role;
use manifests::closure::obsoletes;

use super::fleet::{Obstacle, Unserved};
use super::{Draft, Place, ResolveError, select};
use crate::hosts::FleetHost;
use crate::repo::RepoPackage;

/// Adds what is in lock step with a target, and what goes back from it.
pub(super) fn add<'a>(
    place: &Place<'a>,
    target: &'a RepoPackage,
    previous: &[&'a RepoPackage],
    draft: &mut Draft,
) -> Result<(), ResolveError> {
    let published = select::published(place.inputs.index, place.component, place.target);
    for name in &place.component.packages {
        let mut own = published.clone();
        own.retain(|package| package.nevra.name() == name);
        let found = in_step(&own, target).ok_or_else(|| ResolveError::NotInStep {
            package: name.clone(),
            target: target.nevra.to_string(),
            published: select::versions(&own).into(),
        })?;
        place.add(found, Role::Target, draft)?;
        if place.inputs.fleet.is_empty() {
            for earlier in previous {
                match in_step(&own, earlier) {
                    Some(package) => place.add(package, Role::Previous, draft)?,
                    None => draft.note(format!(
                        "no {name} is published beside {}: a host that has one cannot be reverted to it",
                        earlier.nevra
                    )),
                }
            }
            continue;
        }
        let kind = place.target;
        for host in place.inputs.fleet.of(&kind.distro, kind.arch) {
            for installed in host.installed(name) {
                let exact = installed.nevra.to_string();
                if exact == found.nevra.to_string() {
                    continue;
                }
                let back = own
                    .iter()
                    .find(|package| package.nevra.to_string() == exact);
                match back {
                    Some(package) => place.add(package, Role::Previous, draft)?,
                    None => draft.unserved.push(Unserved {
                        host: host.label.clone(),
                        component: place.component.name.clone(),
                        obstacle: Obstacle::NotPublished {
                            installed: exact,
                            repository: place.component.repository.clone(),
                        },
                    }),
                }
            }
        }
    }
    Ok(())
}

/// Returns the package of the same version: with the same release, else the newest release.
fn in_step<'a>(published: &[&'a RepoPackage], beside: &RepoPackage) -> Option<&'a RepoPackage> {
    let evr = beside.nevra.evr();
    let exact = published.iter().find(|package| package.nevra.evr() == evr);
    let same_version = |package: &&&RepoPackage| {
        let own = package.nevra.evr();
        (own.epoch(), own.version()) == (evr.epoch(), evr.version())
    };
    exact
        .or_else(|| published.iter().rev().find(same_version))
        .copied()
}

/// Returns the published packages of other names that a target replaces, oldest first.
pub(super) fn predecessors<'a>(place: &Place<'a>, target: &RepoPackage) -> Vec<&'a RepoPackage> {
    let mut found = select::published(place.inputs.index, place.component, place.target);
    found.retain(|package| is_replaced(place, target, &package.nevra));
    found
}

/// Returns the package of another name on a host that a target replaces.
pub(super) fn installed_predecessor(
    place: &Place<'_>,
    target: &RepoPackage,
    host: &FleetHost,
) -> Option<String> {
    let mut packages = host.inventory.packages.iter();
    let found = packages.find(|package| is_replaced(place, target, &package.nevra));
    found.map(|package| package.nevra.to_string())
}

fn is_replaced(place: &Place<'_>, target: &RepoPackage, nevra: &manifests::nevra::Nevra) -> bool {
    let mut components = place.inputs.product.components.iter();
    let is_own = components.any(|one| one.all_packages().any(|own| own == nevra.name()));
    !is_own
        && target
            .obsoletes
            .iter()
            .any(|obsolete| obsoletes(obsolete, nevra))
}
