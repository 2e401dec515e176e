//! Closes a run that was cut off, or whose revert failed: backward or, if its target was recorded,
//! forward.

use manifests::digest::Sha256;
use manifests::product::Component;

use super::error::StepError;
use super::health;
use super::rehearsal;
use super::report::{finish, unfinished};
use super::revert::after_failure;
use super::state::{Note, Saved, State};
use super::{Context, Ended, Keep, OnStop, StepResult, mounted, new_services, unit_log, untouched};
use crate::document;
use crate::failure::chain;
use crate::history::report::{NotWell, Outcome, RunReport};
use crate::journal::Journal;
use crate::journal::lock::RunLock;
use crate::journal::recover::{self, Decision};
use crate::journal::step::{GroupStep, Step};
use crate::plan::PlannedComponent;

/// Name of a step over all groups.
const ALL: &str = "all";
/// The cause of a run in which no step failed.
pub(super) const CUT_OFF: &str = "the run was cut off";

/// Closes a run that was cut off or whose revert failed. The journal shows how far it came; the
/// run's directory holds the previous state.
pub fn close_open_run(context: &Context<'_>, lock: &RunLock) -> Result<Ended, StepError> {
    // An rpm that outlived its installer must finish first: until then the host still changes.
    match context.wait_for_rpm() {
        // A shutdown does not wait for it: the next boot goes on.
        Err(StepError::Stopped) => return Ok(Ended::Held),
        other => other?,
    }
    let bytes = context.plan.to_bytes()?;
    let plan = Sha256::of(&bytes);
    let (mut journal, records) =
        Journal::reopen(lock, context.disk, context.layout, context.run, plan)?;
    let started = records
        .first()
        .map_or_else(|| context.host.now(), |record| record.at);
    let cause = recover::first_failure(&records)
        .unwrap_or(CUT_OFF)
        .to_owned();
    let report = match recover::decide(&records, context.dir().live().exists()) {
        Decision::Close => {
            let mut state = State::default();
            state.findings.notes = rehearsal::clear(context, &records);
            finish(context, started, Outcome::Unchanged { cause }, state)
        }
        Decision::FinishForward => {
            let saved = Saved::load(context)?;
            mounted::check(context, &saved.baseline)?;
            let state = State {
                saved,
                ..State::default()
            };
            match finish_forward(context, &mut journal, started, state) {
                Some(report) => report,
                None => return Ok(Ended::Held),
            }
        }
        Decision::PutBack(mut reached) => {
            untouched::load(context, &mut reached);
            let mut state = State {
                saved: Saved::load(context)?,
                reached,
                ..State::default()
            };
            mounted::check(context, &state.saved.baseline)?;
            keep_earlier_notes(context, &mut state);
            context.heal_rpmdb()?;
            match after_failure(context, &mut journal, &mut state, cause) {
                Some(outcome) => finish(context, started, outcome, state),
                None => return Ok(Ended::Held),
            }
        }
    };
    Ok(Ended::Reported(Box::new(report)))
}

/// Finishes a run that had reached its target before it was cut off: starts what a reboot left
/// held, checks health, and removes the drop-ins. Returns nothing if it was asked to stop: the next
/// boot asks for health again.
fn finish_forward(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    started: u64,
    mut state: State,
) -> Option<RunReport> {
    let all: Vec<&PlannedComponent> = context.plan.components().collect();
    let every: Vec<&Component> = context.plan.all_components().collect();
    let baseline = &state.saved.baseline;
    let since = context.host.now();
    let of_all = |step| Step::Group(step, ALL.to_owned());
    let mut step = |step, effect: &mut dyn FnMut() -> StepResult| {
        let result = context.step(journal, &step, Keep::IfPossible, effect);
        result.err().map(|error| chain(&error))
    };
    let released = step(of_all(GroupStep::Release), &mut || {
        new_services::release(context, baseline, &every)
    });
    let asked = step(of_all(GroupStep::Health), &mut || {
        let (found, not_well) = health::wait_for_each(context, baseline, &all);
        state.findings.health = found.health;
        state.findings.not_well = not_well;
        Ok(String::new())
    });
    if (context.stopped)() && context.on_stop == OnStop::Hold {
        return None;
    }
    // The run is committed. A service that does not start or is ill now is for a person, who can use
    // `undo`: only a hold that stays keeps the run open.
    state.findings.notes.extend(asked.map(Note::Info));
    if released.is_some() || !state.findings.not_well.is_empty() {
        unit_log::keep(context, baseline, &every, since);
    }
    let not_started = released.map(|why| NotWell {
        title: context.plan.title.clone(),
        why,
        before: false,
    });
    state.findings.not_well.extend(not_started);
    let removed = step(Step::RemoveHolds, &mut || context.remove_holds(baseline));
    Some(match removed {
        None => finish(context, started, Outcome::Done, state),
        Some(why) => unfinished(context, started, state, &why),
    })
}

/// Keeps the notes of earlier tries: they name what was kept aside.
fn keep_earlier_notes(context: &Context<'_>, state: &mut State) {
    let report: Option<RunReport> = document::read(&context.dir().report()).ok();
    let notes = report.into_iter().flat_map(|report| report.notes);
    state.findings.notes.extend(notes.map(Note::Info));
}
