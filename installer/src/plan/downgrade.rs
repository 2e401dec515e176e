//! An older bundle that goes back over a change of data: the older version may not be able to use
//! them. Only a person can decide this, as for an undo. Pure.

use manifests::evr::compare_versions;
use manifests::product::{Migration, ProductManifest};

use super::{Consent, InstallPlan, PlannedComponent};
use crate::problem::Problem;

/// Whether a component's change goes back to a version that does not know what a migration made of
/// the data.
fn is_crossed_back(migration: &Migration, planned: &PlannedComponent) -> bool {
    let (Some(from), Some(to)) = (&planned.from, &planned.to) else {
        return false;
    };
    // A package of another name counts its versions anew.
    if from.nevra.name() != to.nevra.name() {
        return false;
    }
    let (from, to) = (from.nevra.evr(), to.nevra.evr());
    let is_reached = |version: &str| compare_versions(version, &migration.version).is_ge();
    planned.component.name == migration.component
        && is_reached(from.version())
        && !is_reached(to.version())
}

/// Refuses to go back over a migration without a decision, and records the decision.
pub(super) fn add(
    product: &ProductManifest,
    consent: &Consent,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let mut crossed: Vec<(String, &Migration)> = Vec::new();
    for planned in plan.components() {
        let back = product.migrations.iter();
        crossed.extend(
            back.filter(|migration| is_crossed_back(migration, planned))
                .map(|migration| {
                    let what = format!(
                        "an older {} replaces the newer one, and {} ({})",
                        planned.component.title,
                        "the data that the newer one rewrote may be of no use to the older one",
                        migration.title
                    );
                    (what, migration)
                }),
        );
    }
    let Some(reason) = &consent.keep_data_because else {
        problems.extend(crossed.into_iter().map(|(what, _)| undecided(&what)));
        return;
    };
    if crossed.is_empty() {
        problems.push(Problem::new(
            "--keep-data-because was given, and this run does not go back over a change of data",
            "leave it out",
        ));
    }
    for (what, migration) in crossed {
        plan.notes
            .push(format!("{what}. They stay as they are, because: {reason}"));
        let is_meant = |users: &[String]| users.contains(&migration.component);
        for store in plan
            .stores
            .iter_mut()
            .filter(|store| is_meant(&store.users))
        {
            store.terms.kept = Some(reason.clone());
        }
    }
}

fn undecided(what: &str) -> Problem {
    Problem::new(
        what,
        "`install undo RUN --restore-data` goes back with the data of before (`install history` has \
         the run); to go back without them, give the reason with --keep-data-because REASON, and \
         `install backup restore RUN --store NAME` can put back a dump afterwards",
    )
}
