//! Forward: every step of the plan, and the revert when one of them does not work.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use manifests::digest::Sha256;
use manifests::product::Component;

use super::backup::{back_up, commit, refresh};
use super::health::{self, Excuse};
use super::vendor_defaults::Defaults;
use super::{
    Baseline, Context, Ended, OnStop, StepResult, config, extras, packages_forward, reserve, stores,
};
use crate::backup::changes::{self, FileChange};
use crate::backup::seal;
use crate::backup::snapshot::Snapshot;
use crate::failure::chain;
use crate::history::report::{ComponentHealth, Outcome, REPORT_TYPE, RunReport, changes};
use crate::journal::Journal;
use crate::journal::lock::RunLock;
use crate::journal::step::Step;
use crate::layout::Layout;
use crate::plan::{Group, InstallPlan, PlannedComponent};
use crate::secure_fs::{self, FsError};
use crate::trust::sequence;

/// What services need before they may start in a revert.
#[derive(Debug, Default)]
pub(super) struct Back {
    /// The saved files.
    pub(super) files: bool,
    /// The data of before.
    pub(super) data: bool,
}

/// What a run knows of the host.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) baseline: Baseline,
    pub(super) before: Option<Snapshot>,
    /// Whether anything outside the state directory may have been changed.
    pub(super) has_effects: bool,
    /// Groups whose services were held.
    pub(super) held: Vec<String>,
    /// Groups whose packages and files may have been changed: what a revert has to put back.
    pub(super) changed: Vec<String>,
    /// Groups whose data may have been restored from another run's dump.
    pub(super) restored: Vec<String>,
    /// Groups whose services may have run since they were held.
    pub(super) released: Vec<String>,
    /// In a revert: what is back.
    pub(super) back: Back,
    /// Whether the target state was reached and recorded.
    pub(super) is_committed: bool,
    /// In an upgrade: the vendor's defaults, and what became of the files that have them.
    pub(super) defaults: Defaults,
    pub(super) config_changes: Vec<FileChange>,
    pub(super) notes: Vec<String>,
    pub(super) health: Vec<ComponentHealth>,
    /// Main processes of services that were found well, by unit.
    pub(super) processes: BTreeMap<String, u32>,
}

/// Makes the directory of a run and stores its plan there. Nothing outside it is touched.
pub fn prepare(layout: &Layout, run: u64, plan: &InstallPlan) -> Result<(), String> {
    let bytes = plan.to_bytes().map_err(|error| error.to_string())?;
    let dir = layout.run(run);
    let levels = [layout.runs(), dir.to_path_buf(), dir.backup().to_path_buf()];
    levels
        .iter()
        .try_for_each(|level| secure_fs::ensure_guarded(level, 0o700))
        .and_then(|()| secure_fs::write_atomic(&dir.plan(), &bytes, 0o600))
        .map_err(|error| chain(&error))
}

/// Whether a run has its plan: it may have been handed over.
#[must_use]
pub fn is_prepared(layout: &Layout, run: u64) -> bool {
    layout.run(run).plan().exists()
}

/// Executes the prepared plan of a context under the lock, and reports.
///
/// An error means that not even the journal could be opened: nothing was changed. Once it is open,
/// there is a report, or the run waits, held, because it was told to.
pub fn execute(context: &Context<'_>, lock: &RunLock) -> Result<Ended, String> {
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
        Err(_) if is_held && state.has_effects => return Ok(Ended::Held),
        Err(cause) if state.is_committed => unfinished(context, started, state, &cause),
        Err(cause) if !state.has_effects => {
            finish(context, started, Outcome::Unchanged { cause }, state)
        }
        Err(cause) => {
            match super::revert::after_failure(context, &mut journal, &mut state, cause) {
                Some(outcome) => finish(context, started, outcome, state),
                None => return Ok(Ended::Held),
            }
        }
    };
    Ok(Ended::Reported(Box::new(report)))
}

fn open<'lock>(context: &Context<'_>, lock: &'lock RunLock) -> Result<Journal<'lock>, String> {
    let bytes = context.plan.to_bytes().map_err(|error| error.to_string())?;
    reserve::take(context.host, context.layout, context.plan, lock)?;
    let journal = Journal::create(lock, context.layout, context.run, Sha256::of(&bytes));
    journal.map_err(|error| chain(&error))
}

/// The target is reached and recorded, and the drop-ins could not be removed: the report says so,
/// and the run stays open, so that `install revert` finishes it forward.
pub(super) fn unfinished(
    context: &Context<'_>,
    started: u64,
    mut state: State,
    cause: &str,
) -> RunReport {
    let free = super::FREE_BY_HAND;
    state.notes.push(format!(
        "ATTENTION: {cause}. After a reboot the services would stay down. Run `install resume` to \
         finish, or by hand: {free}"
    ));
    reserve::free(context.layout);
    report(context, started, Outcome::Done, state)
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
    let mut report = report(context, started, outcome, state);
    // Before the report closes the run: a run that is cut off here is finished forward, and comes here
    // again.
    if report.outcome == Outcome::Done
        && let Err(why) = sequence::advance(context.layout, context.plan, context.run)
    {
        report.notes.push(format!(
            "ATTENTION: the bundle's sequence could not be recorded: {why}. Older bundles are refused \
             only by the installed packages"
        ));
    }
    if let Err(why) = context.write_document(&context.dir().report(), &report) {
        report
            .notes
            .push(format!("this report could not be stored: {why}"));
    }
    report
}

fn report(context: &Context<'_>, started: u64, outcome: Outcome, mut state: State) -> RunReport {
    let mut changes = changes(context.plan);
    // What an undo had no use for may have become somebody else's.
    let removed = context.plan.changes().filter(|change| change.to.is_none());
    for change in removed.filter(|_| outcome == Outcome::Done) {
        let note = match context.is_there(change.package) {
            Ok(false) => continue,
            Ok(true) => format!("{} stays installed", change.package),
            Err(why) => format!("whether {} is gone is not known: {why}", change.package),
        };
        if !state.notes.iter().any(|known| known.starts_with(&note)) {
            state.notes.push(note);
        }
        changes.retain(|known| known.to.is_some() || known.title != change.package);
    }
    if let Some(reason) = &context.plan.downgrade_because {
        let note = format!("an older bundle or older packages were wanted, because: {reason}");
        state.notes.insert(0, note);
    }
    if let Some(reason) = &context.plan.extras_ignored_because {
        let note = format!("files that would not load were to be ignored, because: {reason}");
        state.notes.insert(0, note);
    }
    if outcome == Outcome::Done {
        let backup = context.dir().backup();
        state.notes.extend(changes::notes(&backup));
    }
    RunReport {
        document: REPORT_TYPE.to_owned(),
        run: context.run,
        kind: context.plan.kind,
        title: context.plan.title.clone(),
        started,
        ended: context.host.now(),
        outcome,
        changes,
        health: state.health,
        notes: state.notes,
        data: stores::told(context),
        // One that cannot be read is said when it is to be sealed.
        backup_recipients: seal::recorded(context.layout, context.run)
            .map_or_else(|_| Vec::new(), |recipients| recipients.names()),
    }
}

fn forward(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
) -> Result<(), String> {
    let log = open_log(&context.dir().rpm_log())?;
    for step in Step::of(context.plan) {
        if (context.stopped)() && !state.is_committed {
            return Err("the run was told to stop by a signal".to_owned());
        }
        state.has_effects |= step != Step::Backup;
        match &step {
            Step::Hold(group) => state.held.push(group.clone()),
            Step::Transaction(group) => state.changed.push(group.clone()),
            Step::Restore(group) => state.restored.push(group.clone()),
            Step::Release(group) => state.released.push(group.clone()),
            _ => {}
        }
        context.step(journal, &step, || perform(context, state, &step, &log))?;
        state.is_committed |= step == Step::Commit;
    }
    Ok(())
}

/// Opens a file for rpm's output in the run's directory.
pub(super) fn open_log(path: &Path) -> Result<File, String> {
    secure_fs::remove_if_present(path)
        .and_then(|()| secure_fs::create_new(path, 0o600))
        .map_err(|error: FsError| chain(&error))
}

fn perform(context: &Context<'_>, state: &mut State, step: &Step, log: &File) -> StepResult {
    let group = |name: &String| members(context.plan, name);
    match step {
        Step::Backup => back_up(context, state),
        Step::InstallHolds => context.install_holds(&state.baseline, &[]),
        Step::Hold(name) => {
            let held = context.plan.held_with(name);
            let affected = affected(&state.baseline, &held);
            state.processes.retain(|unit, _| !affected.contains(unit));
            context.hold(&state.baseline, &held)
        }
        Step::Refresh(name) => refresh(context, state, &groups(context.plan, name)),
        Step::Dump(name) => stores::dump(context, name),
        Step::Transaction(name) => {
            let groups = groups(context.plan, name);
            packages_forward::transact(context, state, &groups, log)
        }
        Step::Check(name) => context.check_forward(&state.baseline, &groups(context.plan, name)),
        Step::Configure(name) => config::configure(context, state, name),
        Step::Extras(name) => {
            extras::write(context, state.before.as_ref(), &groups(context.plan, name))
        }
        Step::Restore(name) => {
            let notes = stores::restore(context, name)?;
            state.notes.extend(notes);
            Ok(String::new())
        }
        Step::Release(name) => context.release(&state.baseline, &context.plan.held_with(name)),
        Step::Health(name) => {
            // Also of earlier components that stopped with this group and were started again.
            let affected = affected(&state.baseline, &context.plan.held_with(name));
            let stopped_too = |planned: &&PlannedComponent| {
                planned
                    .component
                    .unit
                    .as_ref()
                    .is_some_and(|unit| affected.contains(unit))
                    && state
                        .changed
                        .iter()
                        .any(|g| g != name && is_in(context.plan, g, planned))
            };
            let mut asked = group(name);
            asked.extend(context.plan.components().filter(stopped_too));
            let found = health::wait(context, &state.baseline, &asked, Excuse::SameKind)?;
            state
                .health
                .retain(|known| found.health.iter().all(|new| new.title != known.title));
            state.health.extend(found.health);
            state.processes.extend(found.processes);
            let beside: Vec<&Component> = context.plan.standing_by().collect();
            health::runs_again(context, &state.baseline, &beside)?;
            health::same_processes(context, &state.processes)
        }
        Step::Commit => commit(context, state),
        Step::RemoveHolds => context.remove_holds(&state.baseline),
        Step::Revert(_) => Err("a revert is no step of a plan".to_owned()),
    }
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
    let services = components.iter().flat_map(|one| baseline.services(one));
    let with_dependents = services.flat_map(|unit| {
        let dependents = baseline.dependents.get(unit).into_iter().flatten();
        dependents.cloned().chain([unit.to_owned()])
    });
    with_dependents.collect()
}
