//! Backward: what the run touched is put back and compared with what it was.
//!
//! A revert does not stop at its first trouble: each step does what it can, and what is left is
//! said. Only services are not released onto packages that are not the previous ones.

use std::fs::File;
use std::time::Duration;

use manifests::digest::Sha256;

use super::execute::{State, finish, members, open_log};
use super::{Context, FREE_BY_HAND, StepResult, baseline, reserve, wellness};
use crate::backup::restore::restore;
use crate::failure::chain;
use crate::host::RpmMode;
use crate::journal::{Journal, JournalError, Phase, Record};
use crate::lock::RunLock;
use crate::plan::PlannedComponent;
use crate::report::{Outcome, RunReport};
use crate::secure_fs;
use crate::step::{RevertStep, Step};

/// Reverts after a failed step, and says how that went.
pub(super) fn after_failure(
    context: &Context<'_>,
    journal: &mut Journal<'_>,
    state: &mut State,
    cause: String,
) -> Outcome {
    reserve::free(context.layout);
    // Whoever asked the run to stop asked for this; it is not stopped itself.
    let context = &Context {
        stopped: &|| false,
        undone: None,
        ..*context
    };
    state.health.clear();
    let troubles = revert(context, journal, state);
    if troubles.is_empty() {
        return Outcome::Reverted { cause };
    }
    let revert_cause = troubles.join("; ");
    Outcome::RevertFailed {
        cause,
        revert_cause,
        commands: by_hand(context),
    }
}

fn revert(context: &Context<'_>, journal: &mut Journal<'_>, state: &mut State) -> Vec<String> {
    let reached: Vec<&PlannedComponent> = state
        .reached
        .iter()
        .flat_map(|group| members(context.plan, group))
        .collect();
    let mut troubles = Vec::new();
    for step in RevertStep::ALL {
        let needs_packages = matches!(
            step,
            RevertStep::Release | RevertStep::Health | RevertStep::RemoveHolds
        );
        if needs_packages && !reached.iter().all(|c| context.is_installed(c, &c.from)) {
            troubles.push("the services stay held".to_owned());
            break;
        }
        let effect = || perform(context, state, step, &reached);
        if let Err(why) = context.step_back(journal, &Step::Revert(step), effect) {
            troubles.push(why);
        }
    }
    troubles
}

fn perform(
    context: &Context<'_>,
    state: &mut State,
    step: RevertStep,
    reached: &[&PlannedComponent],
) -> StepResult {
    let baseline = &state.baseline;
    match step {
        // The drop-ins may be gone already, or their tokens with a reboot.
        RevertStep::Hold => {
            context.install_holds(baseline)?;
            context.hold(baseline, reached)
        }
        RevertStep::Transaction => reinstall(context, state, reached),
        RevertStep::Configuration => put_back(context, state, reached),
        RevertStep::Check => context.check_reverted(baseline, reached),
        RevertStep::Release => context.release(baseline, reached),
        RevertStep::Health => {
            let back: Vec<PlannedComponent> = reached.iter().map(|c| swapped(c)).collect();
            let found = wellness::wait(context, baseline, &back.iter().collect::<Vec<_>>())?;
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

/// One transaction of everything that is not as it was, and a second one without the `%preun` of
/// what is replaced, which may be what failed.
fn reinstall(context: &Context<'_>, state: &State, reached: &[&PlannedComponent]) -> StepResult {
    let log = open_log(context, "rpm-revert.log").or_else(|_| null());
    let log = log.map_err(|error| format!("cannot open a log: {error}"))?;
    let mut complaints = Vec::new();
    for mode in [RpmMode::GoBack, RpmMode::GoBackWithoutPreun] {
        let touched: Vec<&&PlannedComponent> = reached
            .iter()
            .filter(|c| !context.is_untouched(&state.baseline, c))
            .collect();
        if touched.is_empty() {
            break;
        }
        sweep(context, state, reached)?;
        // rpm names its temporary files by the second; a transaction within the same second as a
        // disturbed one trips over them.
        context.host.sleep(Duration::from_millis(1100));
        let digests: Vec<Sha256> = touched.iter().map(|planned| planned.from.sha256).collect();
        let complaint = context.transact(&digests, mode, &log)?;
        complaints.extend(Some(complaint).filter(|text| !text.is_empty()));
        if touched
            .iter()
            .all(|planned| context.is_installed(planned, &planned.from))
        {
            break;
        }
    }
    // What rpm complains about is for the record; whether it worked is for the check.
    Ok(complaints.join("; "))
}

fn null() -> std::io::Result<File> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
}

/// Removes rpm's temporary files that were not there before the run.
fn sweep(
    context: &Context<'_>,
    state: &State,
    reached: &[&PlannedComponent],
) -> Result<(), String> {
    for planned in reached {
        let found = baseline::leftovers(context, planned);
        for path in found.difference(&state.baseline.leftovers) {
            secure_fs::Place::of(&context.layout.at(path))
                .and_then(|place| place.remove())
                .map_err(|error| chain(&error))?;
        }
    }
    Ok(())
}

fn put_back(context: &Context<'_>, state: &State, reached: &[&PlannedComponent]) -> StepResult {
    if reached.is_empty() {
        return Ok("no service was stopped, no file changed".to_owned());
    }
    let before = state.before.as_ref().ok_or("there is no backup")?;
    let (roots, _) = baseline::trees(reached, &state.baseline.verify);
    let blobs = context.blobs().map_err(|error| chain(&error))?;
    let displaced = context.layout.run(context.run).join("displaced");
    let done = restore(
        context.layout,
        &blobs,
        &before.restricted(&roots),
        &displaced,
    )
    .map_err(|error| chain(&error))?;
    Ok(format!(
        "{} paths written, {} moved away",
        done.written.len(),
        done.displaced.len()
    ))
}

/// Closes a run that was cut off: its journal says how far it came, its directory what was before.
pub fn revert_open_run(context: &Context<'_>, lock: &RunLock) -> Result<RunReport, String> {
    let bytes = context.plan.to_bytes().map_err(|error| error.to_string())?;
    let plan = Sha256::of(&bytes);
    let (mut journal, records) = Journal::reopen(lock, context.layout, context.run, plan)
        .map_err(|error: JournalError| chain(&error))?;
    let started = records
        .first()
        .map_or_else(|| context.host.now(), |record| record.at);
    let cause = "the run was cut off".to_owned();
    if !has_effects(&records) {
        return Ok(finish(
            context,
            started,
            Outcome::Unchanged { cause },
            State::default(),
        ));
    }
    let mut state = load_state(context, &records)?;
    let outcome = if state.is_committed {
        let remove = Step::RemoveHolds;
        let removed = context.step_back(&mut journal, &remove, || {
            context.remove_holds(&state.baseline)
        });
        if let Err(why) = removed {
            state.notes.push(format!(
                "{why}; remove the drop-ins by hand: {FREE_BY_HAND}"
            ));
        }
        Outcome::Done
    } else {
        after_failure(context, &mut journal, &mut state, cause)
    };
    Ok(finish(context, started, outcome, state))
}

fn has_effects(records: &[Record]) -> bool {
    records
        .iter()
        .any(|record| record.phase == Phase::Intent && record.step != Step::Backup)
}

fn load_state(context: &Context<'_>, records: &[Record]) -> Result<State, String> {
    let dir = context.layout.run(context.run).join("backup");
    let baseline = crate::history::read_document(&dir.join("baseline.json"))?;
    let before = crate::history::read_document(&dir.join("before.json"))?;
    let reached = records
        .iter()
        .filter_map(|record| match (&record.step, record.phase) {
            (Step::Hold(group), Phase::Intent) => Some(group.clone()),
            _ => None,
        });
    let committed = |record: &Record| record.step == Step::Commit && record.phase == Phase::Done;
    Ok(State {
        baseline,
        before: Some(before),
        has_effects: true,
        reached: reached.collect(),
        is_committed: records.iter().any(committed),
        ..State::default()
    })
}

/// Commands for a person when the revert itself did not work.
fn by_hand(context: &Context<'_>) -> Vec<String> {
    let files: Vec<String> = context
        .plan
        .components()
        .map(|planned| {
            context
                .layout
                .stored_rpm(&planned.from.sha256)
                .display()
                .to_string()
        })
        .collect();
    let units: Vec<&str> = context
        .plan
        .components()
        .filter_map(|planned| planned.component.unit.as_deref())
        .collect();
    let backup = context.layout.run(context.run).join("backup");
    vec![
        "install revert        # tries all of it again".to_owned(),
        format!("rpm -U --oldpackage --replacepkgs {}", files.join(" ")),
        format!(
            "# configuration as it was: {} (before.json names the blobs)",
            backup.display()
        ),
        FREE_BY_HAND.to_owned(),
        format!("systemctl start {}", units.join(" ")),
    ]
}
