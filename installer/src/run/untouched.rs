//! Whether a step that failed left data alone. The proof is possible only at once: a mark in the
//! run's directory keeps it for every later try.

use super::Context;
use super::execute::groups;
use super::state::State;
use crate::journal::recover::Reached;
use crate::journal::step::{GroupStep, Step};
use crate::secure_fs;

/// Marks the stores that the step that has just failed provably did not touch. Without the mark a
/// revert treats the data as rewritten.
pub(super) fn mark(context: &Context<'_>, state: &mut State) {
    let Some((Step::Group(step, group), _)) = &state.at else {
        return;
    };
    let (step, group) = (*step, group.clone());
    let may_be = match step {
        GroupStep::Transaction => packages_are_untouched(context, state, &group),
        GroupStep::Restore => true,
        _ => false,
    };
    if !may_be
        || !context.never_ran(
            &state.saved.baseline,
            &context.plan.held_with(&group),
            &state.held,
        )
    {
        return;
    }
    for store in context.plan.stores_of(&group) {
        // A restore marks that it begins.
        let mark = context.dir().untouched(&store.name);
        if !context.dir().restoring(&store.name).exists()
            && secure_fs::write_atomic(&mark, b"", 0o600).is_ok()
        {
            state.reached.untouched.push(store.name.clone());
        }
    }
}

/// Reads the marks of an earlier try.
pub(super) fn load(context: &Context<'_>, reached: &mut Reached) {
    let has_mark = |name: &&String| context.dir().untouched(name).exists();
    let names = context.plan.stores.iter().map(|store| &store.name);
    reached.untouched = names.filter(has_mark).cloned().collect();
}

/// A scriptlet of a new package could change data itself once its files are there. rpm lists a
/// package before it runs the scriptlets that follow the files.
fn packages_are_untouched(context: &Context<'_>, state: &State, group: &str) -> bool {
    // A scriptlet may outlive its rpm.
    context.wait_for_rpm().is_ok()
        && groups(context.plan, group)
            .iter()
            .flat_map(|group| group.changes())
            .all(|change| context.is_untouched(&state.saved.baseline, change))
}
