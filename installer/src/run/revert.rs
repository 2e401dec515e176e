//! Goes backward: puts back what the run touched and compares it with the baseline. Also closes a
//! run that was cut off, backward or, if its target was recorded, forward.
//!
//! A revert does not stop at its first failure: each step does what it can, and the report lists
//! what is left. Services stay held as long as packages, configuration or data are not the previous
//! ones.

use manifests::digest::Sha256;
use manifests::product::Component;

use super::error::StepError;
use super::execute::groups;
use super::health::{self, Excuse};
use super::packages_back::reinstall;
use super::report::{finish, unfinished};
use super::state::{Note, Saved, State};
use super::{
    Context, Ended, FREE_BY_HAND, Keep, OnStop, StepResult, extras, needed, reserve, stores,
};
use crate::backup::restore::{RestoreError, restore};
use crate::failure::chain;
use crate::history::report::{Outcome, RunReport};
use crate::journal::Journal;
use crate::journal::lock::RunLock;
use crate::journal::recover::{self, Decision};
use crate::journal::step::{GroupStep, RevertStep, Step};
use crate::plan::{Group, InstallPlan, PackageChange, PlannedComponent, scope};

/// Name of a step over all groups.
const ALL: &str = "all";

/// Reverts after a failed step and returns the outcome. Returns nothing if the run was asked to
/// stop: then it stays held, to be resumed.
pub(super) fn after_failure(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
    cause: String,
) -> Option<Outcome> {
    reserve::free(context.layout);
    // A run without a boot unit reverts when it is asked to stop, and the revert cannot be stopped.
    let goes_on = || false;
    let stopped = if context.on_stop == OnStop::Hold {
        context.stopped
    } else {
        &goes_on
    };
    let context = &Context {
        stopped,
        ..*context
    };
    state.findings.health.clear();
    let troubles = revert(context, journal, state);
    if (context.stopped)() && !troubles.is_empty() {
        return None;
    }
    if troubles.is_empty() {
        return Some(Outcome::Reverted { cause });
    }
    let revert_cause = troubles.join("; ");
    Some(Outcome::RevertFailed {
        cause,
        revert_cause,
        commands: by_hand(context),
    })
}

fn revert(context: &Context<'_>, journal: &mut Journal<'_>, state: &mut State) -> Vec<String> {
    let scope = Scope::of(context.plan, state);
    let mut troubles = Vec::new();
    for &step in RevertStep::ALL {
        if (context.stopped)() {
            troubles.push("told to stop".to_owned());
            break;
        }
        let starts = matches!(
            step,
            RevertStep::Release | RevertStep::Health | RevertStep::RemoveHolds
        );
        if starts && !scope.may_start(context, state) {
            troubles.push("the services stay held".to_owned());
            break;
        }
        let effect = || perform(context, state, step, &scope);
        if let Err(error) = context.step(journal, &Step::Revert(step), Keep::IfPossible, effect) {
            troubles.push(chain(&error));
        }
    }
    troubles
}

/// What a revert deals with.
struct Scope<'a> {
    /// Every component of the plan, including those that are only held beside the change: after a
    /// reboot all of them are held.
    all: Vec<&'a Component>,
    /// Components whose services were held by the run.
    held: Vec<&'a Component>,
    /// Groups whose packages or files the run may have changed.
    changed: Vec<&'a Group>,
}

impl<'a> Scope<'a> {
    fn of(plan: &'a InstallPlan, state: &State) -> Self {
        let (held, changed) = (state.reached.held.iter(), state.reached.changed.iter());
        Self {
            all: plan.all_components().collect(),
            held: held.flat_map(|group| plan.held_with(group)).collect(),
            changed: changed.flat_map(|group| groups(plan, group)).collect(),
        }
    }

    /// Whether services may start: only on their previous packages, configuration and data.
    fn may_start(&self, context: &Context<'_>, state: &State) -> bool {
        state.back.files
            && state.back.data
            && self
                .changed
                .iter()
                .flat_map(|group| group.changes())
                .all(|change| context.is_installed(change.package, change.from))
    }
}

fn perform(
    context: &Context<'_>,
    state: &mut State,
    step: RevertStep,
    scope: &Scope<'_>,
) -> StepResult {
    let baseline = &state.saved.baseline;
    match step {
        RevertStep::Hold if scope.held.is_empty() => Ok(String::new()),
        RevertStep::Hold => {
            // The drop-ins may already be removed, and a reboot removes their tokens.
            let installed = context.install_holds(baseline, &scope.held);
            context.hold(baseline, &scope.held).and(installed)
        }
        RevertStep::Transaction => reinstall(context, state, &scope.changed),
        RevertStep::Configuration => put_back(context, state, &scope.changed),
        RevertStep::Data => stores::put_back(context, state),
        RevertStep::Check => context.check_reverted(baseline, &scope.changed),
        RevertStep::Release => context.release(baseline, &scope.all),
        RevertStep::Health => {
            let back: Vec<PlannedComponent> = context.plan.components().map(swapped).collect();
            let back: Vec<&PlannedComponent> = back.iter().collect();
            let found = health::wait(context, baseline, &back, Excuse::AnyBefore)?;
            state.findings.health = found.health;
            Ok(String::new())
        }
        RevertStep::RemoveHolds => context.remove_holds(baseline),
    }
}

fn swapped(planned: &PlannedComponent) -> PlannedComponent {
    let PlannedComponent {
        component,
        from,
        to,
        config,
        files,
    } = planned.clone();
    PlannedComponent {
        component,
        from: to,
        to: from,
        config,
        files,
    }
}

fn put_back(context: &Context<'_>, state: &mut State, changed: &[&Group]) -> StepResult {
    if changed.is_empty() {
        state.back.files = true;
        return Ok("no file was changed".to_owned());
    }
    let before = state.saved.before()?;
    let (roots, _) = context.trees(changed, &state.saved.baseline);
    let blobs = context.blobs()?;
    let displaced = context.dir().displaced_anew();
    let packages: Vec<PackageChange<'_>> = changed.iter().flat_map(|g| g.changes()).collect();
    let directories =
        || needed::restore_directories(context, &state.saved.baseline.directories, &packages);
    // Files need their directories, and writing them changes the directories' times: so directories
    // are restored twice.
    directories()?;
    extras::sweep(context, changed)?;
    let restored = restore(
        context.layout,
        &blobs,
        &before.restricted(&roots),
        &displaced,
    );
    // A path that only differs in the end is for a person to judge; the services may start on it.
    state.back.files = matches!(restored, Ok(_) | Err(RestoreError::Different(_)));
    directories()?;
    let done = restored?;
    let mut note = |paths: &[String], how: &str| {
        if !paths.is_empty() {
            let all = listed(paths);
            let note = Note::Attention(format!("{how}: {all}"));
            state.findings.notes.push(note);
        }
    };
    // What rpm put beside a file came from this run alone.
    let is_foreign = |path: &&String| !scope::is_aside(path);
    let foreign: Vec<String> = done.displaced.iter().filter(is_foreign).cloned().collect();
    let place = displaced.display();
    note(
        &foreign,
        &format!("files that appeared during the run were moved to {place}"),
    );
    note(
        &done.lost,
        "newer contents of these files were overwritten and could not be kept",
    );
    Ok(format!(
        "{} paths written, {} moved away",
        done.written.len(),
        done.displaced.len()
    ))
}

/// Most paths that a note names.
const LISTED_MAX: usize = 20;

fn listed(paths: &[String]) -> String {
    let shown = &paths[..paths.len().min(LISTED_MAX)];
    match paths.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Closes a run that was cut off or whose revert failed. The journal shows how far it came; the
/// run's directory holds the previous state.
pub fn close_open_run(context: &Context<'_>, lock: &RunLock) -> Result<Ended, StepError> {
    // An rpm that outlived its installer must finish first: until then the host still changes.
    context.wait_for_rpm()?;
    let bytes = context.plan.to_bytes()?;
    let plan = Sha256::of(&bytes);
    let (mut journal, records) =
        Journal::reopen(lock, context.disk, context.layout, context.run, plan)?;
    let started = records
        .first()
        .map_or_else(|| context.host.now(), |record| record.at);
    let cause = "the run was cut off".to_owned();
    let report = match recover::decide(&records) {
        Decision::Close => finish(
            context,
            started,
            Outcome::Unchanged { cause },
            State::default(),
        ),
        Decision::FinishForward => {
            let saved = Saved::load(context)?;
            let state = State {
                saved,
                ..State::default()
            };
            finish_forward(context, &mut journal, started, state)
        }
        Decision::PutBack(reached) => {
            let mut state = State {
                saved: Saved::load(context)?,
                reached,
                ..State::default()
            };
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
/// held, checks health, and removes the drop-ins.
fn finish_forward(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    started: u64,
    mut state: State,
) -> RunReport {
    let all: Vec<&PlannedComponent> = context.plan.components().collect();
    let every: Vec<&Component> = context.plan.all_components().collect();
    let baseline = &state.saved.baseline;
    let of_all = |step| Step::Group(step, ALL.to_owned());
    let mut step = |step, effect: &mut dyn FnMut() -> StepResult| {
        let result = context.step(journal, &step, Keep::IfPossible, effect);
        result.err().map(|error| chain(&error))
    };
    let released = step(of_all(GroupStep::Release), &mut || {
        context.release(baseline, &every)
    });
    let asked = step(of_all(GroupStep::Health), &mut || {
        // The run is committed. A service that is ill now is for a person, who can use `undo`.
        let (found, not_well) = health::wait_for_each(context, baseline, &all);
        state.findings.health = found.health;
        state.findings.not_well = not_well;
        Ok(String::new())
    });
    state.findings.notes.extend(asked.map(Note::Info));
    let removed = step(Step::RemoveHolds, &mut || context.remove_holds(baseline));
    let troubles: Vec<String> = released.into_iter().chain(removed).collect();
    if troubles.is_empty() {
        return finish(context, started, Outcome::Done, state);
    }
    unfinished(context, started, state, &troubles.join("; "))
}

/// Returns commands for a person after a failed revert.
fn by_hand(context: &Context<'_>) -> Vec<String> {
    let changes = || context.plan.changes();
    let going_back = changes().filter_map(|change| change.from);
    let files: Vec<String> = going_back
        .map(|rpm| context.layout.stored_rpm(&rpm.sha256).display().to_string())
        .collect();
    let brought: Vec<&str> = changes()
        .filter(|change| change.from.is_none() && context.is_installed(change.package, change.to))
        .map(|change| change.package)
        .collect();
    let units: Vec<&str> = context
        .plan
        .components()
        .filter_map(|planned| planned.component.unit.as_deref())
        .collect();
    let backup = context.dir().backup();
    let mut commands = vec!["install resume        # tries all of it again".to_owned()];
    if !brought.is_empty() {
        // Comes first: the package may conflict with the older versions, and what needs it is
        // replaced anyway.
        commands.push(format!("rpm -e --nodeps {}", brought.join(" ")));
    }
    commands.push(format!(
        "rpm -U --oldpackage --replacepkgs {}",
        files.join(" ")
    ));
    commands.extend([
        format!(
            "# configuration as it was: {} (before.json names the blobs)",
            backup.display()
        ),
        FREE_BY_HAND.to_owned(),
        format!("systemctl start {}", units.join(" ")),
    ]);
    commands
}
