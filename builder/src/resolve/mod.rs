//! From an index to a plan: which version of which component for which host.

mod beside;
mod error;
mod fleet;
mod previous;
mod select;

use std::collections::BTreeMap;

use manifests::bundle::{Role, Target, Use};
use manifests::evr::{is_on_line, line_of};
use manifests::nevra::Arch;
use manifests::product::{Component, Distro, ProductManifest, Versioning};

use crate::hosts::Fleet;
use crate::plan::{self, BuildPlan, PlannedPackage, PlannedRepository};
use crate::repo::{RepoIndex, RepoPackage, RepoSnapshot};

pub use error::{Instead, ResolveError};
pub use fleet::{Obstacle, Unserved};
pub use previous::{From, FromRule};
use select::{candidates, newest_matching, newest_release};

/// What a plan is made from.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// The product.
    pub product: &'a ProductManifest,
    /// What its repositories publish.
    pub index: &'a RepoIndex,
    /// The distributions to build for.
    pub distros: Vec<&'a Distro>,
    /// The architectures to build for.
    pub archs: Vec<Arch>,
    /// The version or line asked for.
    pub version: &'a str,
    /// Which previous packages to carry.
    pub from: &'a FromRule,
    /// The hosts to build for. Where there are any, they decide what is needed, and `from` does not count.
    pub fleet: &'a Fleet,
}

/// Finds distributions by id or alias; the result is sorted and free of duplicates.
pub fn distros<'a>(
    product: &'a ProductManifest,
    names: &[String],
) -> Result<Vec<&'a Distro>, ResolveError> {
    let find = |name: &String| {
        product
            .distro(name)
            .ok_or_else(|| ResolveError::UnknownDistro {
                name: name.clone(),
                known: product.distros.clone(),
            })
    };
    let mut found = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found.dedup_by(|a, b| a.id == b.id);
    Ok(found)
}

/// Makes the plan. The same inputs give the same plan, in whatever order they are named.
pub fn resolve(inputs: &Inputs<'_>) -> Result<BuildPlan, ResolveError> {
    let mut draft = Draft::default();
    let mut targets = Vec::new();
    for distro in &inputs.distros {
        for &arch in &inputs.archs {
            if !inputs.fleet.is_empty() && inputs.fleet.of(&distro.id, arch).next().is_none() {
                continue;
            }
            let target = Target {
                distro: distro.id.clone(),
                os_ids: distro.os_ids.clone(),
                major: distro.major,
                arch,
            };
            resolve_target(inputs, &target, &mut draft)?;
            targets.push(target);
        }
    }
    targets.sort();
    targets.dedup();
    if inputs.fleet.is_empty() {
        draft.check_from(inputs.from)?;
    } else {
        fleet::without_product(inputs, &mut draft);
        draft.check_fleet()?;
        targets.retain(|target| draft.serves(target));
    }
    let product = inputs.product;
    let mut plan = BuildPlan {
        product: product.name.clone(),
        title: product.title.clone(),
        channel: product.channel.clone(),
        version: inputs.version.to_owned(),
        repositories: repositories(inputs, &targets),
        packages: std::mem::take(&mut draft.packages),
        notes: draft.notes(),
        targets,
    };
    plan.sort();
    plan.sort_repositories();
    Ok(plan)
}

fn resolve_target(
    inputs: &Inputs<'_>,
    target: &Target,
    draft: &mut Draft,
) -> Result<(), ResolveError> {
    let product = inputs.product;
    let lead = product
        .component(&product.lead)
        .ok_or_else(|| ResolveError::NoLead(product.lead.clone()))?;
    let lead_version = {
        let package = choose_lead(inputs, target, lead)?;
        package.nevra.evr().version().to_owned()
    };
    for (order, component) in (0..).zip(&product.components) {
        let place = Place {
            inputs,
            target,
            component,
            order,
            lead_version: &lead_version,
        };
        let chosen = match component.versioning {
            Versioning::Lead => choose_beside_lead(&place)?,
            Versioning::Pinned => choose_pinned(&place, draft)?,
        };
        let previous = if inputs.fleet.is_empty() {
            previous::choose(&place, chosen, draft)
        } else {
            match fleet::choose(&place, chosen, draft) {
                Some(previous) => previous,
                None => continue,
            }
        };
        place.add(chosen, Role::Target, draft)?;
        for package in &previous {
            place.add(package, Role::Previous, draft)?;
        }
        beside::add(&place, chosen, &previous, draft)?;
    }
    Ok(())
}

/// One component for one target.
#[derive(Clone, Copy)]
struct Place<'a> {
    inputs: &'a Inputs<'a>,
    target: &'a Target,
    component: &'a Component,
    order: u32,
    lead_version: &'a str,
}

impl<'a> Place<'a> {
    fn candidates(&self) -> Vec<&'a RepoPackage> {
        candidates(self.inputs.index, self.component, self.target)
    }

    /// Adds a package, unless the repository lists other bytes under the same identity.
    fn add(
        &self,
        package: &'a RepoPackage,
        role: Role,
        draft: &mut Draft,
    ) -> Result<(), ResolveError> {
        let twin = select::published(self.inputs.index, self.component, self.target)
            .into_iter()
            .find(|other| other.nevra == package.nevra && other.checksum != package.checksum);
        if let Some(twin) = twin {
            return Err(ResolveError::Ambiguous {
                repository: self.component.repository.clone(),
                first: Box::new(package.clone()),
                second: Box::new(twin.clone()),
            });
        }
        let purpose = Use {
            distro: self.target.distro.clone(),
            arch: self.target.arch,
            role,
            order: self.order,
            component: self.component.name.clone(),
        };
        draft.add(package, &self.component.repository, purpose);
        Ok(())
    }

    fn name(&self) -> String {
        let (component, target) = (&self.component.name, self.target);
        format!("{component} for {} {}", target.distro, target.arch)
    }
}

fn choose_lead<'a>(
    inputs: &Inputs<'a>,
    target: &Target,
    component: &Component,
) -> Result<&'a RepoPackage, ResolveError> {
    let published = candidates(inputs.index, component, target);
    newest_matching(&published, inputs.version)
        .ok_or_else(|| error::not_published(inputs, target, component, &published, inputs.version))
}

/// Chooses a component with the lead's version numbers: what was asked for, and never another line
/// than the lead's, which `--version 5` would allow.
fn choose_beside_lead<'a>(place: &Place<'a>) -> Result<&'a RepoPackage, ResolveError> {
    let inputs = place.inputs;
    let published = place.candidates();
    let line = line_of(place.lead_version);
    let mut on_line = published.clone();
    on_line.retain(|package| line_of(select::version(package)) == line);
    newest_matching(&on_line, inputs.version).ok_or_else(|| {
        let wanted = if is_on_line(inputs.version, &line) {
            inputs.version
        } else {
            &line
        };
        error::not_published(inputs, place.target, place.component, &published, wanted)
    })
}

fn choose_pinned<'a>(
    place: &Place<'a>,
    draft: &mut Draft,
) -> Result<&'a RepoPackage, ResolveError> {
    let published = place.candidates();
    let (component, lead) = (place.component, place.lead_version);
    if let Some(pin) = place.inputs.product.pinned(&component.name, lead) {
        return newest_matching(&published, &pin.version).ok_or_else(|| {
            ResolveError::PinNotPublished {
                component: component.name.clone(),
                lead: format!("{} {lead}", place.inputs.product.lead),
                wanted: pin.version.clone(),
                target: format!("{} {}", place.target.distro, place.target.arch),
                published: select::versions(&published).into(),
            }
        });
    }
    let newest = newest_release(&published).ok_or_else(|| {
        let (inputs, target) = (place.inputs, place.target);
        error::not_published(inputs, target, component, &published, inputs.version)
    })?;
    draft.note(format!(
        "the product manifest does not name the {} that goes with {} {lead}; {} is the newest published",
        component.name,
        place.inputs.product.lead,
        newest.nevra
    ));
    Ok(newest)
}

/// The plan in the making.
#[derive(Default)]
struct Draft {
    packages: Vec<PlannedPackage>,
    notes: Vec<String>,
    matched_from: BTreeMap<String, bool>,
    unserved: Vec<Unserved>,
}

impl Draft {
    fn add(&mut self, package: &RepoPackage, repository: &str, purpose: Use) {
        let planned = PlannedPackage::of(package, repository, purpose);
        plan::add(&mut self.packages, planned);
    }

    fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Remembers whether a `--from` value has matched anything yet.
    fn mark_from(&mut self, from: &From, matched: bool) {
        let entry = self.matched_from.entry(from.to_string()).or_default();
        *entry |= matched;
    }

    fn check_from(&self, rule: &FromRule) -> Result<(), ResolveError> {
        let FromRule::Versions(wanted) = rule else {
            return Ok(());
        };
        for from in wanted {
            if !self
                .matched_from
                .get(&from.to_string())
                .copied()
                .unwrap_or(false)
            {
                return Err(ResolveError::FromMatchesNothing(from.clone()));
            }
        }
        Ok(())
    }

    /// Every host is to be served, and something is to be done.
    fn check_fleet(&mut self) -> Result<(), ResolveError> {
        if !self.unserved.is_empty() {
            return Err(ResolveError::Unserved(std::mem::take(&mut self.unserved)));
        }
        if self.packages.is_empty() {
            return Err(ResolveError::NothingToDo(self.notes()));
        }
        Ok(())
    }

    /// Whether anything is carried for a target.
    fn serves(&self, target: &Target) -> bool {
        let uses = self.packages.iter().flat_map(|package| &package.uses);
        uses.into_iter()
            .any(|purpose| purpose.distro == target.distro && purpose.arch == target.arch)
    }

    fn notes(&mut self) -> Vec<String> {
        self.notes.sort();
        std::mem::take(&mut self.notes)
    }
}

fn repositories(inputs: &Inputs<'_>, targets: &[Target]) -> Vec<PlannedRepository> {
    let used = |snapshot: &&RepoSnapshot| {
        targets
            .iter()
            .any(|t| t.distro == snapshot.distro && t.arch == snapshot.arch)
    };
    let snapshots = inputs.index.snapshots.iter().filter(used);
    snapshots.map(PlannedRepository::of).collect()
}

#[cfg(test)]
mod tests;
