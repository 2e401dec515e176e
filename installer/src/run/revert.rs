//! Backward: what the run touched is put back and compared with what it was.

use std::time::Duration;

use manifests::digest::Sha256;

use super::execute::{State, finish, open_log, wait_for_health};
use super::{Context, StepResult};
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
    state: &State,
    cause: String,
) -> Outcome {
    match revert(context, journal, state) {
        Ok(()) => Outcome::Reverted { cause },
        Err(revert_cause) => Outcome::RevertFailed {
            cause,
            revert_cause,
            commands: by_hand(context),
        },
    }
}

fn revert(context: &Context<'_>, journal: &mut Journal<'_>, state: &State) -> Result<(), String> {
    // Whoever asked the run to stop asked for this; it is not stopped itself.
    let context = &Context {
        stopped: &|| false,
        undone: None,
        ..*context
    };
    let components: Vec<&PlannedComponent> = context.plan.components().collect();
    for step in RevertStep::ALL {
        let journalled = Step::Revert(step);
        context.step(journal, &journalled, || {
            perform(context, state, step, &components)
        })?;
    }
    Ok(())
}

fn perform(
    context: &Context<'_>,
    state: &State,
    step: RevertStep,
    components: &[&PlannedComponent],
) -> StepResult {
    let baseline = &state.baseline;
    match step {
        RevertStep::Hold => context.hold(baseline, components),
        RevertStep::Transaction => reinstall(context, state, components),
        RevertStep::Configuration => put_back(context, state),
        RevertStep::Check => context.check_reverted(baseline, components),
        RevertStep::Release => context.release(baseline, components),
        RevertStep::Health => {
            let back: Vec<PlannedComponent> = components.iter().map(|c| swapped(c)).collect();
            let waited = wait_for_health(
                context,
                baseline,
                &back.iter().collect::<Vec<_>>(),
                &mut Vec::new(),
            );
            waited.map(|_| String::new())
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

/// One transaction of everything that is not as it was.
fn reinstall(context: &Context<'_>, state: &State, components: &[&PlannedComponent]) -> StepResult {
    let touched: Vec<&&PlannedComponent> = components
        .iter()
        .filter(|c| !context.is_untouched(&state.baseline, c))
        .collect();
    if touched.is_empty() {
        return Ok("no package was changed".to_owned());
    }
    sweep(context, state, components)?;
    // rpm names its temporary files by the second; a second transaction within the same second as
    // a disturbed one trips over them.
    context.host.sleep(Duration::from_millis(1100));
    let digests: Vec<Sha256> = touched.iter().map(|planned| planned.from.sha256).collect();
    let log = open_log(context, "rpm-revert.log")?;
    context.transact(&digests, RpmMode::GoBack, &log)
}

/// Removes rpm's temporary files that were not there before the run.
fn sweep(
    context: &Context<'_>,
    state: &State,
    components: &[&PlannedComponent],
) -> Result<(), String> {
    for planned in components {
        for path in
            super::baseline::leftovers(context, planned).difference(&state.baseline.leftovers)
        {
            secure_fs::remove_if_present(&context.layout.at(path))
                .map_err(|error| chain(&error))?;
        }
    }
    Ok(())
}

fn put_back(context: &Context<'_>, state: &State) -> StepResult {
    let Some(before) = &state.before else {
        return Err("there is no backup".to_owned());
    };
    let blobs = context.blobs().map_err(|error| chain(&error))?;
    let displaced = context.layout.run(context.run).join("displaced");
    let done =
        restore(context.layout, &blobs, before, &displaced).map_err(|error| chain(&error))?;
    Ok(format!(
        "{} paths written, {} moved away",
        done.written.len(),
        done.displaced.len()
    ))
}

/// Reverts a run that was cut off: its journal says how far it came, its directory what was before.
pub fn revert_open_run(context: &Context<'_>, lock: &RunLock) -> Result<RunReport, String> {
    let bytes = context.plan.to_bytes().map_err(|error| error.to_string())?;
    let plan = Sha256::of(&bytes);
    let (mut journal, records) = Journal::reopen(lock, context.layout, context.run, plan)
        .map_err(|error: JournalError| chain(&error))?;
    let started = records
        .first()
        .map_or_else(|| context.host.now(), |record| record.at);
    let cause = "the run was cut off".to_owned();
    let outcome = if has_effects(&records) {
        let state = load_state(context)?;
        after_failure(context, &mut journal, &state, cause)
    } else {
        Outcome::Unchanged { cause }
    };
    Ok(finish(context, started, outcome, Vec::new()))
}

fn has_effects(records: &[Record]) -> bool {
    records
        .iter()
        .any(|record| record.phase == Phase::Intent && record.step != Step::Backup)
}

fn load_state(context: &Context<'_>) -> Result<State, String> {
    let dir = context.layout.run(context.run).join("backup");
    let baseline = crate::history::read_document(&dir.join("baseline.json"))?;
    let before = crate::history::read_document(&dir.join("before.json"))?;
    Ok(State {
        baseline,
        before: Some(before),
        has_effects: true,
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
        "install revert".to_owned(),
        format!("rpm -U --oldpackage --replacepkgs {}", files.join(" ")),
        format!(
            "# configuration as it was: {} (before.json names the blobs)",
            backup.display()
        ),
        "rm -f /etc/systemd/system/*.service.d/zz-airgap-bundle.conf && systemctl daemon-reload"
            .to_owned(),
        format!("systemctl start {}", units.join(" ")),
    ]
}
