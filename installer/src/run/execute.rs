//! Forward: every step of the plan, and the revert when one of them does not work.

use std::collections::BTreeMap;
use std::fs::File;

use manifests::digest::Sha256;

use super::{Baseline, Context, StepResult, baseline};
use crate::backup::merge::{ThreeWay, merge};
use crate::backup::restore::restore;
use crate::backup::snapshot::{Kind, Snapshot};
use crate::failure::chain;
use crate::health::{self, Expected, Ill};
use crate::host::{RpmMode, UnitState};
use crate::journal::Journal;
use crate::lock::RunLock;
use crate::plan::{Group, InstallPlan, PlanKind, PlannedComponent};
use crate::report::{Outcome, REPORT_TYPE, RunReport, changes};
use crate::secure_fs::{self, FsError};
use crate::step::Step;

/// Executes the plan of a context under the lock, and reports.
///
/// An error means that not even the journal could be opened: nothing was changed. Once it is open,
/// there is always a report.
pub fn execute(context: &Context<'_>, lock: &RunLock) -> Result<RunReport, String> {
    let started = context.host.now();
    let bytes = context.plan.to_bytes().map_err(|error| error.to_string())?;
    let dir = context.layout.run(context.run);
    secure_fs::ensure_dir(&dir.join("backup"), 0o700).map_err(|error| chain(&error))?;
    secure_fs::write_atomic(&dir.join("plan.json"), &bytes, 0o600)
        .map_err(|error| chain(&error))?;
    let journal = Journal::create(lock, context.layout, context.run, Sha256::of(&bytes));
    let mut journal = journal.map_err(|error| chain(&error))?;
    let mut state = State::default();
    let result = forward(context, &mut journal, &mut state);
    let outcome = match result {
        Ok(()) => Outcome::Done,
        Err(cause) if !state.has_effects => Outcome::Unchanged { cause },
        Err(cause) => super::revert::after_failure(context, &mut journal, &state, cause),
    };
    Ok(finish(context, started, outcome, state.notes))
}

/// Makes the report and stores it. One that cannot be stored is still the truth about the host, so
/// it is returned all the same; the run then counts as open.
pub(super) fn finish(
    context: &Context<'_>,
    started: u64,
    outcome: Outcome,
    notes: Vec<String>,
) -> RunReport {
    let mut report = report(context, started, outcome, notes);
    if let Err(why) = context.write_document("report.json", &report) {
        report
            .notes
            .push(format!("this report could not be stored: {why}"));
    }
    report
}

fn report(context: &Context<'_>, started: u64, outcome: Outcome, notes: Vec<String>) -> RunReport {
    RunReport {
        document: REPORT_TYPE.to_owned(),
        run: context.run,
        kind: context.plan.kind,
        title: context.plan.title.clone(),
        started,
        ended: context.host.now(),
        outcome,
        changes: changes(context.plan),
        notes,
    }
}

/// What a run knows of the host.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) baseline: Baseline,
    pub(super) before: Option<Snapshot>,
    pub(super) has_effects: bool,
    pub(super) notes: Vec<String>,
    /// Main processes of services that were found well, by unit.
    pub(super) processes: BTreeMap<String, u32>,
}

fn forward(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
) -> Result<(), String> {
    let log = open_log(context, "rpm.log")?;
    for step in Step::of(context.plan) {
        if (context.stopped)() {
            return Err("the run was told to stop by a signal".to_owned());
        }
        state.has_effects |= step != Step::Backup;
        let mut notes = Vec::new();
        context.step(journal, &step, || {
            perform(context, state, &step, &log, &mut notes)
        })?;
        state.notes.extend(notes);
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

fn perform(
    context: &Context<'_>,
    state: &mut State,
    step: &Step,
    log: &File,
    notes: &mut Vec<String>,
) -> StepResult {
    let group = |name: &String| members(context.plan, name);
    match step {
        Step::Backup => back_up(context, state, notes),
        Step::InstallHolds => context.install_holds(&state.baseline),
        Step::Hold(name) => context.hold(&state.baseline, &group(name)),
        Step::Refresh(name) => refresh(context, state, &group(name)),
        Step::Transaction(name) => {
            let digests: Vec<Sha256> = group(name).iter().map(|c| c.to.sha256).collect();
            context.transact(&digests, mode(context.plan), log)
        }
        Step::Configure(_) => configure(context, state, notes),
        Step::Check(name) => context.check_forward(&state.baseline, &group(name)),
        Step::Release(name) => context.release(&state.baseline, &group(name)),
        Step::Health(name) => {
            let found = wait_for_health(context, &state.baseline, &group(name), notes)?;
            state.processes.extend(found);
            same_processes(context, &state.processes)
        }
        Step::RemoveHolds => context.remove_holds(&state.baseline),
        Step::Commit => commit(context, state),
        Step::Revert(_) => Err("a revert is no step of a plan".to_owned()),
    }
}

fn members<'a>(plan: &'a InstallPlan, name: &str) -> Vec<&'a PlannedComponent> {
    let found = plan
        .groups
        .iter()
        .filter(|group: &&Group| group.name == name);
    found.flat_map(|group| &group.components).collect()
}

const fn mode(plan: &InstallPlan) -> RpmMode {
    match plan.kind {
        PlanKind::Upgrade => RpmMode::Upgrade,
        PlanKind::Undo { .. } => RpmMode::GoBack,
    }
}

fn back_up(context: &Context<'_>, state: &mut State, notes: &mut Vec<String>) -> StepResult {
    state.baseline = Baseline::take(context).map_err(|error| chain(&error))?;
    for (component, Ill { why, .. }) in &state.baseline.unwell {
        notes.push(format!("{component} was not well before the run: {why}"));
    }
    save_snapshot(context, state)
}

fn save_snapshot(context: &Context<'_>, state: &mut State) -> StepResult {
    let before = baseline::snapshot(context, &state.baseline)?;
    let note = format!(
        "{} paths, {} bytes",
        before.entries.len(),
        before.content_bytes()
    );
    context.write_document("backup/before.json", &before)?;
    context.write_document("backup/baseline.json", &state.baseline)?;
    state.before = Some(before);
    Ok(note)
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
    let now = baseline::snapshot(context, &state.baseline)?;
    let own: Vec<String> = group
        .iter()
        .flat_map(|planned| own_trees(planned))
        .collect();
    let belongs = |path: &String| {
        own.iter()
            .any(|tree| path == tree || path.starts_with(&format!("{tree}/")))
    };
    let Some(before) = &mut state.before else {
        return Err("there is no backup".to_owned());
    };
    before.entries.retain(|path, _| !belongs(path));
    before
        .entries
        .extend(now.entries.into_iter().filter(|(path, _)| belongs(path)));
    context.write_document("backup/before.json", before)?;
    context.write_document("backup/baseline.json", &state.baseline)?;
    Ok(String::new())
}

fn own_trees(planned: &PlannedComponent) -> Vec<String> {
    let component = &planned.component;
    let trees = component.backup.iter().map(|tree| tree.path.clone());
    trees
        .chain(component.config.iter().cloned())
        .chain(component.environment.iter().cloned())
        .collect()
}

/// Merges the configuration of before the undone run with what was edited since.
fn configure(context: &Context<'_>, state: &State, notes: &mut Vec<String>) -> StepResult {
    let (Some(undone), Some(current)) = (&context.undone, &state.before) else {
        return Err("the undone run has no backup".to_owned());
    };
    let blobs = context.blobs().map_err(|error| chain(&error))?;
    for entry in undone
        .before
        .entries
        .values()
        .chain(undone.after.entries.values())
    {
        if let Kind::File { sha256, .. } = &entry.kind {
            blobs
                .import(&undone.blobs, sha256)
                .map_err(|error| chain(&error))?;
        }
    }
    let states = ThreeWay {
        before: &undone.before,
        after: &undone.after,
        current,
    };
    let merged = merge(states, &blobs).map_err(|error| chain(&error))?;
    let displaced = context.layout.run(context.run).join("displaced");
    restore(context.layout, &blobs, &merged.snapshot, &displaced).map_err(|error| chain(&error))?;
    notes.extend(
        merged
            .kept
            .iter()
            .map(|path| format!("{path}: your later edit is kept")),
    );
    notes.extend(
        merged
            .merged
            .iter()
            .map(|path| format!("{path}: merged with your later edit")),
    );
    notes.extend(merged.conflicts.iter().map(|path| {
        format!(
            "{path}: your later edit is kept; it conflicts with the state before the undone run"
        )
    }));
    Ok(String::new())
}

/// Waits for the health of what ran before. What was red before is not blamed on the upgrade.
pub(super) fn wait_for_health(
    context: &Context<'_>,
    baseline: &Baseline,
    group: &[&PlannedComponent],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, u32>, String> {
    let mut processes = BTreeMap::new();
    for planned in group {
        let component = &planned.component;
        let was_up = component
            .unit
            .as_ref()
            .and_then(|unit| baseline.units.get(unit));
        if !context.has_units(baseline) || !was_up.is_some_and(UnitState::is_up) {
            notes.push(format!(
                "{}: health not checked, the service did not run before",
                component.title
            ));
            continue;
        }
        let expected = Expected {
            version: planned.to.nevra.evr().version(),
            program: planned.to.program_sha256,
        };
        let waited = health::wait(
            context.host,
            context.layout,
            component,
            expected,
            context.stopped,
        );
        match (waited, &component.unit) {
            (Ok(pid), Some(unit)) if pid != 0 => {
                processes.insert(unit.clone(), pid);
            }
            (Ok(_), _) => {}
            (Err(ill), _) => {
                let why = format!("{} is not healthy: {}", component.title, ill.why);
                let before = baseline
                    .unwell
                    .get(&component.name)
                    .map(|before| before.kind);
                if before != Some(ill.kind) {
                    return Err(why);
                }
                notes.push(format!("{why}; it was so before the run"));
            }
        }
    }
    Ok(processes)
}

/// A service that was well must still be the same process when later groups are: one that crashed
/// in between was restarted by systemd and only looks well.
fn same_processes(context: &Context<'_>, processes: &BTreeMap<String, u32>) -> StepResult {
    for (unit, pid) in processes {
        let now = context
            .host
            .main_process(unit)
            .map_err(|error| chain(&error))?;
        if now.as_ref().map(|process| process.pid) != Some(*pid) {
            return Err(format!(
                "{unit} was well, but its main process has ended since"
            ));
        }
    }
    Ok(String::new())
}

fn commit(context: &Context<'_>, state: &State) -> StepResult {
    let after = baseline::snapshot(context, &state.baseline)?;
    context.write_document("backup/after.json", &after)?;
    Ok(String::new())
}
