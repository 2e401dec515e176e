//! Forward: every step of the plan, and the revert when one of them does not work.

use std::collections::BTreeMap;
use std::fs::File;

use manifests::digest::Sha256;

use super::{Baseline, Context, StepResult, baseline, configure, reserve, wellness};
use crate::backup::capture::Writers;
use crate::backup::snapshot::Snapshot;
use crate::failure::chain;
use crate::health::Ill;
use crate::host::RpmMode;
use crate::journal::Journal;
use crate::lock::RunLock;
use crate::plan::{InstallPlan, PlanKind, PlannedComponent};
use crate::report::{ComponentHealth, Outcome, REPORT_TYPE, RunReport, changes};
use crate::secure_fs::{self, FsError};
use crate::step::Step;

/// What a run knows of the host.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) baseline: Baseline,
    pub(super) before: Option<Snapshot>,
    /// Whether anything outside the state directory may have been changed.
    pub(super) has_effects: bool,
    /// Groups whose services were held: what a revert has to put back.
    pub(super) reached: Vec<String>,
    /// Whether the target state was reached and recorded.
    pub(super) is_committed: bool,
    pub(super) notes: Vec<String>,
    pub(super) health: Vec<ComponentHealth>,
    /// Main processes of services that were found well, by unit.
    pub(super) processes: BTreeMap<String, u32>,
}

/// Executes the plan of a context under the lock, and reports.
///
/// An error means that not even the journal could be opened: nothing was changed. Once it is open,
/// there is always a report.
pub fn execute(context: &Context<'_>, lock: &RunLock) -> Result<RunReport, String> {
    let started = context.host.now();
    let bytes = context.plan.to_bytes().map_err(|error| error.to_string())?;
    let dir = context.layout.run(context.run);
    secure_fs::ensure_dir(&dir.join("backup"), 0o700).map_err(|error| chain(&error))?;
    reserve::take(context.layout).map_err(|error| chain(&error))?;
    secure_fs::write_atomic(&dir.join("plan.json"), &bytes, 0o600)
        .map_err(|error| chain(&error))?;
    let journal = Journal::create(lock, context.layout, context.run, Sha256::of(&bytes));
    let mut journal = journal.map_err(|error| chain(&error))?;
    let mut state = State::default();
    let outcome = match forward(context, &mut journal, &mut state) {
        Ok(()) => Outcome::Done,
        Err(cause) if state.is_committed => {
            state.notes.push(format!(
                "{cause}; remove the drop-ins by hand: {}",
                super::FREE_BY_HAND
            ));
            Outcome::Done
        }
        Err(cause) if !state.has_effects => Outcome::Unchanged { cause },
        Err(cause) => super::revert::after_failure(context, &mut journal, &mut state, cause),
    };
    Ok(finish(context, started, outcome, state))
}

/// Makes the report and stores it. One that cannot be stored is still the truth about the host, so
/// it is returned all the same; the run then counts as open.
pub(super) fn finish(
    context: &Context<'_>,
    started: u64,
    outcome: Outcome,
    state: State,
) -> RunReport {
    reserve::free(context.layout);
    let mut report = RunReport {
        document: REPORT_TYPE.to_owned(),
        run: context.run,
        kind: context.plan.kind,
        title: context.plan.title.clone(),
        started,
        ended: context.host.now(),
        outcome,
        changes: changes(context.plan),
        health: state.health,
        notes: state.notes,
    };
    if let Err(why) = context.write_document("report.json", &report) {
        report
            .notes
            .push(format!("this report could not be stored: {why}"));
    }
    report
}

fn forward(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
) -> Result<(), String> {
    let log = open_log(context, "rpm.log")?;
    for step in Step::of(context.plan) {
        if (context.stopped)() && !state.is_committed {
            return Err("the run was told to stop by a signal".to_owned());
        }
        state.has_effects |= step != Step::Backup;
        if let Step::Hold(group) = &step {
            state.reached.push(group.clone());
        }
        context.step(journal, &step, || perform(context, state, &step, &log))?;
        state.is_committed |= step == Step::Commit;
    }
    Ok(())
}

/// Opens a file for rpm's output in the run's directory.
pub(super) fn open_log(context: &Context<'_>, name: &str) -> Result<File, String> {
    let path = context.layout.run(context.run).join(name);
    secure_fs::remove_if_present(&path)
        .and_then(|()| secure_fs::create_new(&path, 0o600))
        .map_err(|error: FsError| chain(&error))
}

fn perform(context: &Context<'_>, state: &mut State, step: &Step, log: &File) -> StepResult {
    let group = |name: &String| members(context.plan, name);
    match step {
        Step::Backup => back_up(context, state),
        Step::InstallHolds => context.install_holds(&state.baseline),
        Step::Hold(name) => context.hold(&state.baseline, &group(name)),
        Step::Refresh(name) => refresh(context, state, &group(name)),
        Step::Transaction(name) => {
            let digests: Vec<Sha256> = group(name).iter().map(|c| c.to.sha256).collect();
            match context.transact(&digests, mode(context.plan), log)? {
                complaint if complaint.is_empty() => Ok(complaint),
                complaint => Err(complaint),
            }
        }
        Step::Check(name) => context.check_forward(&state.baseline, &group(name)),
        Step::Configure(_) => {
            let notes = configure::merge_back(context, state.before.as_ref())?;
            state.notes.extend(notes);
            Ok(String::new())
        }
        Step::Release(name) => context.release(&state.baseline, &group(name)),
        Step::Health(name) => {
            let found = wellness::wait(context, &state.baseline, &group(name))?;
            state.health.extend(found.health);
            state.processes.extend(found.processes);
            wellness::same_processes(context, &state.processes)
        }
        Step::Commit => commit(context, state),
        Step::RemoveHolds => context.remove_holds(&state.baseline),
        Step::Revert(_) => Err("a revert is no step of a plan".to_owned()),
    }
}

/// Returns the components of a group.
pub(super) fn members<'a>(plan: &'a InstallPlan, name: &str) -> Vec<&'a PlannedComponent> {
    let found = plan.groups.iter().filter(|group| group.name == name);
    found.flat_map(|group| &group.components).collect()
}

const fn mode(plan: &InstallPlan) -> RpmMode {
    match plan.kind {
        PlanKind::Upgrade => RpmMode::Upgrade,
        PlanKind::Undo { .. } => RpmMode::GoBack,
    }
}

fn back_up(context: &Context<'_>, state: &mut State) -> StepResult {
    state.baseline = Baseline::take(context).map_err(|error| chain(&error))?;
    for (component, Ill { why, .. }) in &state.baseline.unwell {
        state
            .notes
            .push(format!("{component} was not well before the run: {why}"));
    }
    let all: Vec<&PlannedComponent> = context.plan.components().collect();
    let before = baseline::snapshot(context, &state.baseline, &all, Writers::AtWork)?;
    let note = format!(
        "{} paths, {} bytes",
        before.entries.len(),
        before.content_bytes()
    );
    store(context, state, before)?;
    Ok(note)
}

fn store(context: &Context<'_>, state: &mut State, before: Snapshot) -> Result<(), String> {
    context.write_document("backup/before.json", &before)?;
    context.write_document("backup/baseline.json", &state.baseline)?;
    state.before = Some(before);
    Ok(())
}

/// Saves a group's files once more: its services are stopped, so this copy is the last state. Of
/// groups that were upgraded already the first copy stays.
fn refresh(context: &Context<'_>, state: &mut State, group: &[&PlannedComponent]) -> StepResult {
    for planned in group {
        let package = &planned.component.package;
        let lines = context
            .host
            .rpm_verify(&[package])
            .map_err(|error| chain(&error))?;
        state.baseline.verify.insert(package.clone(), lines);
    }
    let now = baseline::snapshot(context, &state.baseline, group, Writers::Stopped)?;
    let mut before = state.before.take().ok_or("there is no backup")?;
    before.replace(now);
    store(context, state, before)?;
    Ok(String::new())
}

fn commit(context: &Context<'_>, state: &State) -> StepResult {
    let all: Vec<&PlannedComponent> = context.plan.components().collect();
    let after = baseline::snapshot(context, &state.baseline, &all, Writers::AtWork)?;
    context.write_document("backup/after.json", &after)?;
    Ok(String::new())
}
