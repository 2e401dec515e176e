//! Whether a step that failed left data alone. The proof is possible only at once: a mark in the
//! run's directory keeps it for every later try.

use super::Context;
use super::state::State;
use crate::journal::recover::Reached;
use crate::journal::step::{GroupStep, Step};
use crate::secure_fs;

/// Marks the stores that the step that has just failed provably did not touch. Without the mark a
/// revert treats the data as rewritten. Any scriptlet may write data, and rpm runs some before it
/// lists the package (`%pretrans`, `%pre`, triggers). So only a run that has not handed anything to
/// rpm has the proof.
pub(super) fn mark(context: &Context<'_>, state: &mut State) {
    let at = state.at.as_ref().map(|(step, _)| step);
    let Some(Step::Group(GroupStep::Transaction | GroupStep::Restore, group)) = at else {
        return;
    };
    let group = group.clone();
    let held = context.plan.held_with(&group);
    if state.rpm_may_have_run || !context.never_ran(&state.saved.baseline, &held, &state.held) {
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
