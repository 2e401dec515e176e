//! The outcome of a revert, from what it could not do and what is not as it was.

use super::state::{Note, State};
use super::{Context, by_hand, stores};
use crate::history::report::{DataState, Outcome};
use crate::journal::step::{RevertPart, RevertStep, Step};

/// Something that a revert could not do, or that is not as it was.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) step: Step,
    pub(super) text: String,
    /// Whether another try would find the same.
    pub(super) is_difference: bool,
}

impl Trouble {
    pub(super) fn is_of_data(&self) -> bool {
        matches!(self.step, Step::RevertOf(RevertPart::Data, _))
    }

    /// Whether it still counts when everything is back: the check has compared what other steps
    /// complained about.
    pub(super) fn outlives_release(&self) -> bool {
        self.is_difference || self.step == Step::Revert(RevertStep::Check)
    }
}

/// Returns the outcome. Only what a later try can cure keeps a run open.
pub(super) fn of_revert(
    context: &Context<'_>,
    state: &mut State,
    cause: String,
    found: Vec<Trouble>,
) -> Outcome {
    let kept = stores::kept_aside(context).into_iter().map(Note::Info);
    state.findings.notes.extend(kept);
    let rewritten = stores::rewritten(context.plan, &state.reached);
    for store in &rewritten {
        if let Some(reason) = &store.elsewhere {
            state.findings.notes.push(Note::Attention(format!(
                "the data of {} may have been rewritten and were not dumped, because: \
                 {reason}. Restore your own backup of {}",
                store.name, store.endpoint
            )));
        }
    }
    let data = rewritten
        .iter()
        .any(|store| !stores::is_back(store, &state.reached))
        .then_some(DataState::NotRestored);
    let is_open = found.iter().any(|trouble| !trouble.is_difference);
    let texts: Vec<String> = found.into_iter().map(|trouble| trouble.text).collect();
    if is_open {
        return Outcome::RevertFailed {
            cause,
            revert_cause: texts.join("; "),
            commands: by_hand::commands(context, state),
            data,
        };
    }
    let differs = |text: &String| Note::Attention(format!("not as before the run: {text}"));
    state.findings.notes.extend(texts.iter().map(differs));
    Outcome::Reverted {
        cause,
        differences: texts,
        data,
        as_it_is: None,
    }
}
