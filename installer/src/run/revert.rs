//! Backward: what the run touched is put back and compared with what it was.
//!
//! A revert does not stop at its first trouble: each step does what it can, and what is left is
//! said. Only services are not released onto packages that are not the previous ones.

use manifests::digest::Sha256;
use manifests::product::Component;

use super::execute::{State, finish, groups, unfinished};
use super::health::{self, Excuse};
use super::packages_back::reinstall;
use super::{Context, Ended, FREE_BY_HAND, OnStop, StepResult, extras, needed, reserve, stores};
use crate::backup::restore::{RestoreError, restore};
use crate::document;
use crate::failure::chain;
use crate::history::report::{Outcome, RunReport};
use crate::journal::lock::RunLock;
use crate::journal::recover::{self, Decision};
use crate::journal::step::{RevertStep, Step};
use crate::journal::{Journal, JournalError};
use crate::plan::{Group, InstallPlan, PackageChange, PlannedComponent};

/// Name of a step over all groups.
const ALL: &str = "all";

/// Reverts after a failed step, and says how that went; nothing if it was told to stop and waits,
/// held, to be taken up.
pub(super) fn after_failure(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
    cause: String,
) -> Option<Outcome> {
    reserve::free(context.layout);
    // Whoever asked a run without a boot unit to stop asked for this; it is not stopped itself.
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
    state.health.clear();
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
    for step in RevertStep::ALL {
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
        if let Err(why) = context.step_back(journal, &Step::Revert(step), effect) {
            troubles.push(why);
        }
    }
    troubles
}

/// What a revert deals with.
struct Scope<'a> {
    /// Every component of the plan, also those that only stand by: after a reboot all of them are held.
    all: Vec<&'a Component>,
    /// Components whose services were held by the run.
    held: Vec<&'a Component>,
    /// Groups whose packages or files may have been changed.
    changed: Vec<&'a Group>,
}

impl<'a> Scope<'a> {
    fn of(plan: &'a InstallPlan, state: &State) -> Self {
        let (held, changed) = (state.held.iter(), state.changed.iter());
        Self {
            all: plan.all_components().collect(),
            held: held.flat_map(|group| plan.held_with(group)).collect(),
            changed: changed.flat_map(|group| groups(plan, group)).collect(),
        }
    }

    /// Services start only on the packages, the configuration and the data that they had.
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
    let baseline = &state.baseline;
    match step {
        RevertStep::Hold if scope.held.is_empty() => Ok(String::new()),
        RevertStep::Hold => {
            // The drop-ins may be gone already, or their tokens with a reboot.
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
            state.health = found.health;
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
    } = planned.clone();
    PlannedComponent {
        component,
        from: to,
        to: from,
        config,
    }
}

fn put_back(context: &Context<'_>, state: &mut State, changed: &[&Group]) -> StepResult {
    if changed.is_empty() {
        state.back.files = true;
        return Ok("no file was changed".to_owned());
    }
    let before = state.before.as_ref().ok_or("there is no backup")?;
    let (roots, _) = context.trees(changed, &state.baseline);
    let blobs = context.blobs().map_err(|error| chain(&error))?;
    let displaced = context.dir().displaced_anew();
    let packages: Vec<PackageChange<'_>> = changed.iter().flat_map(|g| g.changes()).collect();
    let directories =
        || needed::restore_directories(context, &state.baseline.directories, &packages);
    // Files want their directories, and change their times.
    directories()?;
    extras::sweep(context, changed)?;
    let restored = restore(
        context.layout,
        &blobs,
        &before.restricted(&roots),
        &displaced,
    );
    // What is only different in the end is for a person to judge; the service may start on it.
    state.back.files = matches!(restored, Ok(_) | Err(RestoreError::Different(_)));
    directories()?;
    let done = restored.map_err(|error| chain(&error))?;
    Ok(format!(
        "{} paths written, {} moved away",
        done.written.len(),
        done.displaced.len()
    ))
}

/// Closes a run that was cut off, or whose revert failed: its journal says how far it came, its
/// directory what was before.
pub fn close_open_run(context: &Context<'_>, lock: &RunLock) -> Result<Ended, String> {
    // An rpm that outlived its installer finishes first: until then nothing holds still.
    context.wait_for_rpm()?;
    let bytes = context.plan.to_bytes().map_err(|error| error.to_string())?;
    let plan = Sha256::of(&bytes);
    let (mut journal, records) = Journal::reopen(lock, context.layout, context.run, plan)
        .map_err(|error: JournalError| chain(&error))?;
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
            let state = load_state(context)?;
            finish_forward(context, &mut journal, started, state)
        }
        Decision::PutBack {
            held,
            changed,
            restored,
            released,
        } => {
            let mut state = State {
                held,
                changed,
                restored,
                released,
                ..load_state(context)?
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

/// The run had reached its target when it was cut off: start what a reboot left held, ask for health,
/// and remove the drop-ins.
fn finish_forward(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    started: u64,
    mut state: State,
) -> RunReport {
    let all: Vec<&PlannedComponent> = context.plan.components().collect();
    let every: Vec<&Component> = context.plan.all_components().collect();
    let mut troubles = Vec::new();
    let release = Step::Release(ALL.to_owned());
    let released = context.step_back(journal, &release, || {
        context.release(&state.baseline, &every)
    });
    troubles.extend(released.err());
    let health = Step::Health(ALL.to_owned());
    let asked = context.step_back(journal, &health, || {
        let found = health::wait(context, &state.baseline, &all, Excuse::SameKind)?;
        state.health = found.health;
        Ok(String::new())
    });
    // The run is committed; a service that is ill by now is for a person, with `undo` at hand.
    state.notes.extend(asked.err());
    let remove = Step::RemoveHolds;
    let removed = context.step_back(journal, &remove, || context.remove_holds(&state.baseline));
    troubles.extend(removed.err());
    if troubles.is_empty() {
        return finish(context, started, Outcome::Done, state);
    }
    unfinished(context, started, state, &troubles.join("; "))
}

fn load_state(context: &Context<'_>) -> Result<State, String> {
    let dir = context.dir().backup();
    let baseline = document::read(&dir.baseline()).map_err(|error| chain(&error))?;
    let before = document::read(&dir.before()).map_err(|error| chain(&error))?;
    Ok(State {
        baseline,
        before: Some(before),
        has_effects: true,
        ..State::default()
    })
}

/// Commands for a person when the revert itself did not work.
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
        // First: it may be in the way of the older versions, and what needs it is about to go.
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
