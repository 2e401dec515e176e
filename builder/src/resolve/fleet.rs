//! Which previous packages the hosts of the inventories need: exactly what they run.

use std::fmt;

use manifests::product::Component;

use super::{Draft, Place, beside};
use crate::hosts::FleetHost;
use crate::repo::RepoPackage;

/// A host that no bundle of this version can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unserved {
    /// What messages call it.
    pub host: String,
    /// The component.
    pub component: String,
    /// What is in the way.
    pub obstacle: Obstacle,
}

/// What is in the way of serving a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It runs what the repository does not list any more.
    NotPublished {
        /// What it runs.
        installed: String,
        /// The repository.
        repository: String,
    },
    /// It runs something newer.
    Newer {
        /// What it runs.
        installed: String,
        /// What was chosen.
        target: String,
    },
    /// An earlier transaction left two packages of the name.
    Twice(String),
    /// It runs nothing of the product.
    Nothing,
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host, component, ..
        } = self;
        match &self.obstacle {
            Obstacle::NotPublished {
                installed,
                repository,
            } => write!(
                f,
                "{host} runs {installed}, which the repository {repository} does not list"
            ),
            Obstacle::Newer { installed, target } => {
                write!(f, "{host} runs {installed}, newer than {target}")
            }
            Obstacle::Twice(nevras) => {
                write!(
                    f,
                    "{host} has {component} installed more than once: {nevras}"
                )
            }
            Obstacle::Nothing => write!(f, "{host} runs no package of the product"),
        }
    }
}

impl Obstacle {
    pub(super) const fn cure(&self) -> &'static str {
        match self {
            Self::NotPublished { .. } => {
                "serve the package from a signed repository or directory that has it: --repo-url \
                 REPO=file:///DIR (createrepo_c and `gpg --detach-sign --armor repomd.xml` make one)"
            }
            Self::Newer { .. } => "ask for a newer --version, or leave that host out",
            Self::Twice(_) => {
                "remove the duplicate on that host with `rpm -e` and take the inventory again"
            }
            Self::Nothing => {
                "leave that host out: an inventory says what is to be upgraded; a first installation \
                 (`install --fresh`) takes a bundle that was built without it"
            }
        }
    }
}

/// Chooses the previous packages of one component; nothing at all where no host needs the target.
pub(super) fn choose<'a>(
    place: &Place<'a>,
    target: &RepoPackage,
    draft: &mut Draft,
) -> Option<Vec<&'a RepoPackage>> {
    let (kind, inputs) = (place.target, place.inputs);
    let mut previous: Vec<&RepoPackage> = Vec::new();
    let mut is_needed = false;
    for host in inputs.fleet.of(&kind.distro, kind.arch) {
        match look(place, host, target) {
            Ok(Installed::Absent) => {}
            Ok(Installed::Current) => {
                draft.note(format!("{} has {} already", host.label, target.nevra));
            }
            Ok(Installed::Earlier(package)) => {
                is_needed = true;
                previous.push(package);
            }
            Err(obstacle) => {
                is_needed = true;
                draft.unserved.push(Unserved {
                    host: host.label.clone(),
                    component: place.component.name.clone(),
                    obstacle,
                });
            }
        }
    }
    previous.sort_by(|a, b| a.nevra.cmp(&b.nevra));
    previous.dedup_by(|a, b| a.nevra == b.nevra);
    if !is_needed {
        draft.note(format!("no host needs {}: it is left out", place.name()));
    }
    is_needed.then_some(previous)
}

enum Installed<'a> {
    Absent,
    Current,
    Earlier(&'a RepoPackage),
}

fn look<'a>(
    place: &Place<'a>,
    host: &FleetHost,
    target: &RepoPackage,
) -> Result<Installed<'a>, Obstacle> {
    let installed = match host.installed(&place.component.package).as_slice() {
        [] => return look_at_predecessor(place, host, target),
        [one] => &one.nevra,
        several => {
            let nevras: Vec<String> = several.iter().map(|p| p.nevra.to_string()).collect();
            return Err(Obstacle::Twice(nevras.join(", ")));
        }
    };
    if installed.evr() == target.nevra.evr() {
        return Ok(Installed::Current);
    }
    if installed.evr() > target.nevra.evr() {
        return Err(Obstacle::Newer {
            installed: installed.to_string(),
            target: target.nevra.to_string(),
        });
    }
    // rpm's order takes 1.0 and 1.00 for equal; a revert needs the very package.
    let exact = installed.to_string();
    let published = place.candidates();
    let found = published
        .into_iter()
        .find(|package| package.nevra.to_string() == exact);
    found.map(Installed::Earlier).ok_or(Obstacle::NotPublished {
        installed: exact,
        repository: place.component.repository.clone(),
    })
}

/// A target may replace an installed package of another name; a revert needs that very package.
fn look_at_predecessor<'a>(
    place: &Place<'a>,
    host: &FleetHost,
    target: &RepoPackage,
) -> Result<Installed<'a>, Obstacle> {
    let Some(installed) = beside::installed_predecessor(place, target, host) else {
        return Ok(Installed::Absent);
    };
    let published = beside::predecessors(place, target).into_iter();
    let mut published = published.filter(|package| package.nevra.to_string() == installed);
    published
        .next()
        .map(Installed::Earlier)
        .ok_or(Obstacle::NotPublished {
            installed,
            repository: place.component.repository.clone(),
        })
}

/// Finds hosts that run nothing of the product.
pub(super) fn without_product(inputs: &super::Inputs<'_>, draft: &mut Draft) {
    for host in inputs.fleet.hosts() {
        let components = &inputs.product.components;
        let has_product = |c: &Component| {
            let listed = inputs.index.snapshots.iter().flat_map(|one| &one.packages);
            let own = listed.filter(|package| package.nevra.name() == c.package);
            let mut replaced = own.flat_map(|package| &package.obsoletes);
            !host.installed(&c.package).is_empty()
                || replaced.any(|obsolete| !host.installed(&obsolete.name).is_empty())
        };
        if !components.iter().any(has_product) {
            draft.unserved.push(Unserved {
                host: host.label.clone(),
                component: inputs.product.lead.clone(),
                obstacle: Obstacle::Nothing,
            });
        }
    }
}
