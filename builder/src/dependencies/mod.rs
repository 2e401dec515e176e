//! What else the targets need: found in repositories, shown, and carried. Pure.

mod carried;

use std::fmt;

use manifests::bundle::{Role, Target, Use};
use manifests::closure::{self, Closure, Index, Missing, Offer, System};
use manifests::nevra::{Arch, Nevra};
use manifests::printable::printable;
use serde::Serialize;

use crate::hosts::FleetHost;
use crate::plan::{BuildPlan, PlannedPackage};
use crate::repo::{RepoPackage, WholeRepo};

pub use carried::carry;

/// What targets of one kind, or one host, need beside the targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependencies {
    /// The distribution id.
    pub distro: String,
    /// The architecture.
    pub arch: Arch,
    /// The host, where one was described.
    pub host: Option<String>,
    /// What is needed, in the order it was found.
    pub added: Vec<Added>,
    /// What nothing offers.
    pub missing: Vec<Missing>,
    /// What cannot live together.
    pub conflicts: Vec<String>,
    /// Installed packages that one of the set replaces by another name.
    pub obsoleted: Vec<String>,
}

/// A package that is needed beside the targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The package.
    #[serde(flatten)]
    pub found: Found,
    /// Why it is.
    pub reason: String,
    /// The first component that needs it, and its place in the upgrade order.
    #[serde(skip)]
    pub component: (u32, String),
    /// The installed package that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaced>,
}

/// An older version of a dependency, which a revert goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// The installed package.
    pub nevra: Nevra,
    /// Where it is, if a repository still lists it.
    pub found: Option<Found>,
}

/// A package in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The package.
    #[serde(flatten)]
    pub package: RepoPackage,
    /// Id of the repository.
    pub repository: String,
}

impl Found {
    fn planned(&self, purpose: Use) -> PlannedPackage {
        PlannedPackage::of(&self.package, &self.repository, purpose)
    }
}

/// Everything that repositories list for one target.
#[derive(Debug)]
pub struct Listing {
    packages: Vec<Found>,
    offers: Vec<Offer>,
}

impl Listing {
    /// Takes what is for `target` out of the repositories: their lists are long, and each is for one
    /// target.
    #[must_use]
    pub fn take(repositories: &mut [WholeRepo], target: &Target) -> Self {
        let (mut packages, mut offers) = (Vec::new(), Vec::new());
        let for_target = repositories
            .iter_mut()
            .filter(|repo| repo.snapshot.distro == target.distro)
            .filter(|repo| repo.snapshot.arch == target.arch);
        for repo in for_target {
            let repository = &repo.snapshot.repository;
            for (package, capabilities) in std::mem::take(&mut repo.listed) {
                offers.push(Offer {
                    nevra: package.nevra.clone(),
                    source: format!("{repository} {}", package.url),
                    capabilities,
                });
                packages.push(Found {
                    package,
                    repository: repository.clone(),
                });
            }
        }
        Self { packages, offers }
    }

    fn find(&self, nevra: &Nevra) -> Option<&Found> {
        self.packages
            .iter()
            .find(|found| found.package.nevra == *nevra)
    }

    /// Returns the newest package of a name.
    fn newest(&self, name: &str, arch: Arch) -> Option<&Found> {
        self.packages
            .iter()
            .filter(|found| {
                found.package.nevra.name() == name && arch.accepts(found.package.nevra.arch())
            })
            .max_by(|a, b| a.package.nevra.evr().cmp(b.package.nevra.evr()))
    }
}

/// A package that is wanted beside a component although nothing needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The package.
    pub package: String,
    /// The component that it is for.
    pub component: String,
}

/// Closes a target of a plan, for one host or for any, over what repositories list.
#[must_use]
pub fn close(
    plan: &BuildPlan,
    target: &Target,
    host: Option<&FleetHost>,
    tools: &[Tool],
    listing: &Listing,
) -> Dependencies {
    let system = host.map_or_else(System::unknown, |host| {
        System::of(&host.inventory.packages, host.inventory.os.merged_usr)
    });
    let index = Index::new(&listing.offers, target.arch, system.merged_usr);
    let has = |name: &str| host.is_none_or(|host| !host.installed(name).is_empty());
    // A target may replace what the host has under another name.
    let previous = plan.packages_for(target, Role::Previous);
    let has_before = |component: &str| {
        let mut own = previous
            .iter()
            .filter(|(purpose, _)| purpose.component == component);
        own.any(|(_, package)| has(package.nevra.name()))
    };
    let beside = |name: &str| {
        let mut own = previous.iter().map(|(_, package)| package.nevra.name());
        own.any(|own| own == name)
    };
    // A host gets the components that it has.
    let targets: Vec<(&Use, &Nevra)> = plan
        .packages_for(target, Role::Target)
        .into_iter()
        .map(|(purpose, package)| (purpose, &package.nevra))
        .filter(|(purpose, nevra)| {
            has(nevra.name()) || (!beside(nevra.name()) && has_before(&purpose.component))
        })
        .collect();
    let (mut added, mut missing) = add_tools(target, host, tools, listing, &targets);
    let wanted = targets
        .iter()
        .map(|(_, nevra)| *nevra)
        .chain(added.iter().map(|tool| &tool.found.package.nevra));
    let roots: Vec<usize> = wanted.filter_map(|nevra| index.find(nevra)).collect();
    let closure = closure::close(&index, &system, &roots);
    missing.extend(closure.missing.iter().cloned());
    let (conflicts, mut obsoleted) = (closure.conflicts.clone(), closure.obsoleted.clone());
    // The bundle brings these back.
    let carried: Vec<String> = previous
        .iter()
        .map(|(_, one)| one.nevra.to_string())
        .collect();
    let comes_back = |replaced: &String| {
        let mut carried = carried.iter();
        carried.any(|nevra| replaced.starts_with(&format!("the installed {nevra} by ")))
    };
    obsoleted.retain(|replaced| !comes_back(replaced));
    attribute(&closure, &targets, listing, &mut added);
    Dependencies {
        distro: target.distro.clone(),
        arch: target.arch,
        host: host.map(|host| host.label.clone()),
        added,
        missing,
        conflicts,
        obsoleted,
    }
}

/// Adds what is wanted beside the components that this host gets.
fn add_tools(
    target: &Target,
    host: Option<&FleetHost>,
    tools: &[Tool],
    listing: &Listing,
    targets: &[(&Use, &Nevra)],
) -> (Vec<Added>, Vec<Missing>) {
    let mut added = Vec::new();
    let mut missing = Vec::new();
    for tool in tools {
        let user = targets.iter().find(|(u, _)| u.component == tool.component);
        let is_there = host.is_some_and(|host| !host.installed(&tool.package).is_empty());
        let Some((user, _)) = user.filter(|_| !is_there) else {
            continue;
        };
        match listing.newest(&tool.package, target.arch) {
            Some(found) => added.push(Added {
                found: found.clone(),
                reason: format!("--tool for {}", tool.component),
                component: (user.order, user.component.clone()),
                replaces: None,
            }),
            None => missing.push(Missing {
                package: format!("--tool for {}", tool.component),
                need: tool.package.clone(),
            }),
        }
    }
    (added, missing)
}

/// Records for each added package which component needs it.
fn attribute(
    closure: &Closure,
    targets: &[(&Use, &Nevra)],
    listing: &Listing,
    added: &mut Vec<Added>,
) {
    let first = targets.first().map(|(u, _)| (u.order, u.component.clone()));
    for one in &closure.added {
        let target = targets.iter().find(|(_, nevra)| **nevra == one.by);
        let component = target
            .map(|(u, _)| (u.order, u.component.clone()))
            .or_else(|| {
                let before = added
                    .iter()
                    .find(|other| other.found.package.nevra == one.by);
                before.map(|other| other.component.clone())
            })
            .or_else(|| first.clone());
        let Some(component) = component else { continue };
        let replaces = one.replaces.as_ref().map(|nevra| Replaced {
            nevra: nevra.clone(),
            found: listing.find(nevra).cloned(),
        });
        added.push(Added {
            found: listing.packages[one.offer].clone(),
            reason: format!("{} of {}", one.need, one.by),
            component,
            replaces,
        });
    }
}

impl Dependencies {
    /// Returns what messages call whom it is for.
    #[must_use]
    pub fn label(&self) -> String {
        let (distro, arch) = (printable(&self.distro), self.arch);
        match &self.host {
            Some(host) => printable(host),
            None => format!("{distro} {arch}"),
        }
    }
}

impl fmt::Display for Dependencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (distro, arch) = (printable(&self.distro), self.arch);
        match &self.host {
            Some(host) => writeln!(f, "{distro} {arch}, {}", printable(host))?,
            None => writeln!(f, "{distro} {arch}, nothing known to be installed")?,
        }
        for added in &self.added {
            let reason = printable(&added.reason);
            let repository = printable(&added.found.repository);
            let nevra = added.found.package.nevra.to_string();
            writeln!(f, "  needs     {nevra:<44} from {repository}: {reason}")?;
            if let Some(Replaced { nevra, found }) = &added.replaces {
                let way = match found {
                    Some(found) => format!("carried too, from {}", printable(&found.repository)),
                    None => "which no repository lists: no way back".to_owned(),
                };
                writeln!(f, "            in place of {nevra}, {way}")?;
            }
        }
        for missing in &self.missing {
            let (need, package) = (printable(&missing.need), printable(&missing.package));
            writeln!(f, "  MISSING   {need}, which {package} needs")?;
        }
        for (word, lines) in [("CONFLICT", &self.conflicts), ("replaces", &self.obsoleted)] {
            for line in lines {
                writeln!(f, "  {word:<9} {}", printable(line))?;
            }
        }
        if self.added.is_empty() && self.missing.is_empty() {
            writeln!(f, "  needs nothing more")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
