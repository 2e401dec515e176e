//! Goes forward: every step of the plan in order, and the revert when one of them fails.

use std::fs::File;
use std::path::Path;

use manifests::digest::Sha256;
use manifests::product::Component;

use super::backup::{back_up, commit, refresh};
use super::error::StepError;
use super::health::{self, Excuse};
use super::report::{finish, unfinished};
use super::state::{Note, State};
use super::{
    Baseline, Context, Ended, Keep, OnStop, StepResult, config, dumps, extras, idle, left,
    new_services, packages_forward, rehearsal, reserve, revert, stores, unit_log, untouched,
};
use crate::failure::chain;
use crate::history::report::Outcome;
use crate::journal::Journal;
use crate::journal::lock::RunLock;
use crate::journal::step::{GroupStep, Step};
use crate::layout::Layout;
use crate::plan::{Group, InstallPlan, PlanKind, PlannedComponent};
use crate::secure_fs;

/// Creates the directory of a run and stores its plan there. Touches nothing else.
pub fn prepare(layout: &Layout, run: u64, plan: &InstallPlan) -> Result<(), StepError> {
    let bytes = plan.to_bytes()?;
    let dir = layout.run(run);
    let levels = [layout.runs(), dir.to_path_buf(), dir.backup().to_path_buf()];
    levels
        .iter()
        .try_for_each(|level| secure_fs::ensure_guarded(level, 0o700))
        .and_then(|()| secure_fs::write_atomic(&dir.plan(), &bytes, 0o600))
        .map_err(StepError::from)
}

/// Whether a run has its plan: another process may have prepared it.
#[must_use]
pub fn is_prepared(layout: &Layout, run: u64) -> bool {
    layout.run(run).plan().exists()
}

/// Executes the prepared plan of a context under the lock, and reports.
///
/// An error means that the journal could not be opened and nothing was changed. After that there is
/// always a report, unless the run was asked to stop and waits, held.
pub fn execute(context: &Context<'_>, lock: &RunLock) -> Result<Ended, StepError> {
    let started = context.host.now();
    let opened = open(context, lock);
    if opened.is_err() {
        reserve::free(context.layout);
    }
    let mut journal = opened?;
    let mut state = State::default();
    let result = forward(context, &mut journal, &mut state);
    let is_held = context.on_stop == OnStop::Hold && (context.stopped)();
    let report = match result {
        Ok(()) => finish(context, started, Outcome::Done, state),
        Err(_) if is_held && state.reached.has_effects => return Ok(Ended::Held),
        Err(error) => {
            let cause = chain(&error);
            unit_log::keep_of_failure(context, &state);
            untouched::mark(context, &mut state);
            if state.is_committed {
                unfinished(context, started, state, &cause)
            } else if !state.reached.has_effects {
                let last = state.at.as_ref().map(|(step, _)| step);
                let left = rehearsal::clear_after(context, last);
                state.findings.notes.extend(left);
                finish(context, started, Outcome::Unchanged { cause }, state)
            } else {
                match revert::after_failure(context, &mut journal, &mut state, cause) {
                    Some(outcome) => finish(context, started, outcome, state),
                    None => return Ok(Ended::Held),
                }
            }
        }
    };
    Ok(Ended::Reported(Box::new(report)))
}

fn open<'lock>(context: &Context<'_>, lock: &'lock RunLock) -> Result<Journal<'lock>, StepError> {
    let Context { disk, layout, .. } = *context;
    let digest = Sha256::of(&context.plan.to_bytes()?);
    reserve::take(context.host, layout, context.plan, disk)?;
    Ok(Journal::create(lock, disk, layout, context.run, digest)?)
}

fn forward(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
) -> Result<(), StepError> {
    let log = open_log(&context.dir().rpm_log())?;
    for step in Step::of(context.plan) {
        if (context.stopped)() && !state.is_committed {
            return Err(StepError::Stopped);
        }
        state.reached.note(&step);
        state.begin(&step, context.host.now());
        let effect = || perform(context, state, &step, &log);
        context.step(journal, &step, Keep::Must, effect)?;
        state.is_committed |= step == Step::Commit;
    }
    Ok(())
}

/// Opens a file for rpm's output in the run's directory.
pub(super) fn open_log(path: &Path) -> Result<File, StepError> {
    secure_fs::remove_if_present(path)?;
    Ok(secure_fs::create_new(path, 0o600)?)
}

fn perform(context: &Context<'_>, state: &mut State, step: &Step, log: &File) -> StepResult {
    match step {
        Step::Backup => back_up(context, state),
        Step::InstallHolds => context.install_holds(&state.saved.baseline, &[]),
        Step::Group(step, name) => perform_of_group(context, state, *step, name, log),
        Step::Commit => commit(context, state),
        Step::RemoveHolds => context.remove_holds(&state.saved.baseline),
        Step::Revert(_) | Step::RevertOf(..) => Err(StepError::Missing(
            "a plan has no step of a revert".to_owned(),
        )),
    }
}

fn perform_of_group(
    context: &Context<'_>,
    state: &mut State,
    step: GroupStep,
    name: &str,
    log: &File,
) -> StepResult {
    let groups = groups(context.plan, name);
    match step {
        GroupStep::Rehearse => rehearsal::rehearse(context, name),
        GroupStep::DumpAhead => dumps::dump_ahead(context, name),
        GroupStep::Hold => {
            idle::look_again(context, state, name)?;
            state.discovery = Some(context.discover().or(state.discovery.as_ref()));
            let held = context.plan.held_with(name);
            let affected = affected(&state.saved.baseline, &held);
            state.processes.retain(|unit, _| !affected.contains(unit));
            let done = context.hold(&state.saved.baseline, &held)?;
            let starts = context.starts(&state.saved.baseline, &held)?;
            state.held.extend(starts);
            Ok(done)
        }
        GroupStep::Refresh => refresh(context, state, &groups),
        GroupStep::Dump => while_held(context, state, name, |state| {
            stores::dump(context, name, state.discovery.as_ref())
        }),
        GroupStep::Transaction => while_held(context, state, name, |state| {
            if matches!(context.plan.kind, PlanKind::Undo { .. }) {
                let discovery = context.discover().or(state.discovery.as_ref());
                left::refuse_all_shared(context, name, &discovery)?;
            }
            let done = packages_forward::transact(context, state, &groups, log)?;
            context.hold_again(&state.saved.baseline, &context.plan.held_with(name))?;
            Ok(done)
        }),
        GroupStep::Check => context.check_forward(&state.saved.baseline, &groups),
        GroupStep::Extras => extras::write(context, state.saved.before()?, &groups),
        GroupStep::Configure => config::configure(context, state, name),
        GroupStep::Restore => {
            let found = stores::restore(context, name, state.discovery.as_ref())?;
            state
                .findings
                .notes
                .extend(found.into_iter().map(Note::Info));
            Ok(String::new())
        }
        GroupStep::Release => {
            let held = context.plan.held_with(name);
            new_services::release(context, &state.saved.baseline, &held)
        }
        GroupStep::Health => wait_for_health(context, state, name),
    }
}

/// Looks at the hold before and after an effect that must meet no running service.
fn while_held(
    context: &Context<'_>,
    state: &mut State,
    group: &str,
    effect: impl FnOnce(&mut State) -> StepResult,
) -> StepResult {
    let held = context.plan.held_with(group);
    let look = |state: &State| context.check_held(&state.saved.baseline, &held, &state.held);
    let before = look(state)?;
    let done = effect(state)?;
    let notes = [before, done, look(state)?].into_iter();
    let notes: Vec<String> = notes.filter(|note| !note.is_empty()).collect();
    Ok(notes.join("; "))
}

/// Waits for the health of a group and of earlier components that stopped with it and were started
/// again.
fn wait_for_health(context: &Context<'_>, state: &mut State, name: &str) -> StepResult {
    let plan = context.plan;
    let affected = affected(&state.saved.baseline, &plan.held_with(name));
    let stopped_too = |planned: &&PlannedComponent| {
        let unit = planned.component.unit.as_ref();
        let mut earlier = state.reached.changed.iter().filter(|group| *group != name);
        unit.is_some_and(|unit| affected.contains(unit))
            && earlier.any(|group| is_in(plan, group, planned))
    };
    let mut asked = members(plan, name);
    asked.extend(plan.components().filter(stopped_too));
    let found = health::wait(context, &state.saved.baseline, &asked, Excuse::SameKind)?;
    let known = &mut state.findings.health;
    known.retain(|known| found.health.iter().all(|new| new.title != known.title));
    known.extend(found.health);
    state.processes.extend(found.processes);
    let beside: Vec<&Component> = plan.standing_by().collect();
    health::runs_again(context, &state.saved.baseline, &beside)?;
    health::same_processes(context, &state.processes)
}

/// Returns the groups of a name.
pub(super) fn groups<'a>(plan: &'a InstallPlan, name: &str) -> Vec<&'a Group> {
    plan.groups
        .iter()
        .filter(|group| group.name == name)
        .collect()
}

/// Returns the components of a group.
pub(super) fn members<'a>(plan: &'a InstallPlan, name: &str) -> Vec<&'a PlannedComponent> {
    let found = groups(plan, name).into_iter();
    found.flat_map(|group| &group.components).collect()
}

fn is_in(plan: &InstallPlan, group: &str, planned: &PlannedComponent) -> bool {
    members(plan, group)
        .iter()
        .any(|member| member.component.name == planned.component.name)
}

/// Returns the services of components that are held, and the units that stop with them.
fn affected(baseline: &Baseline, components: &[&Component]) -> Vec<String> {
    let services = baseline.all_services(components.iter().copied());
    let with_dependents = services.flat_map(|unit| {
        let dependents = baseline.dependents.get(unit).into_iter().flatten();
        dependents.cloned().chain([unit.to_owned()])
    });
    with_dependents.collect()
}
