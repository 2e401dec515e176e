//! What of the dependencies a bundle carries, and what speaks against it.

use manifests::bundle::{Role, Use};
use manifests::nevra::Nevra;

use super::{Dependencies, Replaced};
use crate::hosts::Unfit;
use crate::plan::{BuildPlan, PlannedRepository};
use crate::repo::WholeRepo;

/// Adds what was found to a plan, and returns what would not work on a host that was described.
pub fn carry(
    plan: &mut BuildPlan,
    dependencies: &[Dependencies],
    repositories: &[WholeRepo],
) -> Vec<Unfit> {
    let mut unfit = Vec::new();
    for one in dependencies {
        judge(one, &mut plan.notes, &mut unfit);
        for added in &one.added {
            let purpose = |role| Use {
                distro: one.distro.clone(),
                arch: one.arch,
                role,
                order: added.component.0,
                component: added.component.1.clone(),
            };
            plan.add(added.found.planned(purpose(Role::Dependency)));
            if let Some(Replaced { found, .. }) = &added.replaces
                && let Some(found) = found
            {
                plan.add(found.planned(purpose(Role::PreviousDependency)));
            }
        }
    }
    plan.sort();
    plan.notes.sort();
    plan.notes.dedup();
    add_repositories(plan, repositories);
    unfit.dedup();
    unfit
}

fn judge(one: &Dependencies, notes: &mut Vec<String>, unfit: &mut Vec<Unfit>) {
    let label = one.label();
    for missing in &one.missing {
        let (need, package) = (&missing.need, &missing.package);
        let why = format!("{label}: nothing offers {need}, which {package} needs");
        // Where no host was described, it may have that already.
        if one.host.is_some() || package.starts_with("--tool") {
            unfit.push(Unfit {
                why,
                next: "name the repository that has it with --with-deps",
            });
        } else {
            notes.push(format!("{why}: the hosts must have it"));
        }
    }
    for conflict in &one.conflicts {
        unfit.push(Unfit {
            why: format!("{label}: {conflict}"),
            next: "choose versions or repositories that can live together",
        });
    }
    for obsoleted in &one.obsoleted {
        unfit.push(Unfit {
            why: format!("{label}: the upgrade would replace {obsoleted}, and could not go back"),
            next: "remove or replace that package on the host first, and take its inventory again",
        });
    }
    let no_way_back = |nevra: &Nevra, by: &Nevra| Unfit {
        why: format!(
            "{label}: {nevra} would be replaced by {by}, and no repository lists it any more: \
             there would be no way back"
        ),
        next: "name a repository that has the installed package with --with-deps, such as a \
               directory with the RPM and signed metadata",
    };
    for added in &one.added {
        if let Some(Replaced { nevra, found: None }) = &added.replaces {
            unfit.push(no_way_back(nevra, &added.found.package.nevra));
        }
    }
}

/// Names the repositories that something comes from.
fn add_repositories(plan: &mut BuildPlan, repositories: &[WholeRepo]) {
    for WholeRepo { snapshot, .. } in repositories {
        let repository = PlannedRepository::of(snapshot);
        let serves = plan.packages.iter().any(|package| {
            let is_for = |u: &Use| u.distro == repository.distro && u.arch == repository.arch;
            package.repository == repository.id && package.uses.iter().any(is_for)
        });
        let is_known = plan.repositories.iter().any(|known| {
            (&known.id, &known.distro, known.arch)
                == (&repository.id, &repository.distro, repository.arch)
        });
        if serves && !is_known {
            plan.repositories.push(repository);
        }
    }
    plan.sort_repositories();
}
