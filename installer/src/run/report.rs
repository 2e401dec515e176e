//! The report of a run, made of what the run learned.

use super::state::State;
use super::{Context, reserve, stores};
use crate::backup::changes;
use crate::backup::seal;
use crate::history::report::{Outcome, REPORT_TYPE, RunReport, changes};
use crate::trust::sequence;

/// The target is reached and recorded, and the drop-ins could not be removed: the report says so,
/// and the run stays open, so that `install revert` finishes it forward.
pub(super) fn unfinished(
    context: &Context<'_>,
    started: u64,
    mut state: State,
    cause: &str,
) -> RunReport {
    let free = super::FREE_BY_HAND;
    state.told.notes.push(format!(
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
        if !state
            .told
            .notes
            .iter()
            .any(|known| known.starts_with(&note))
        {
            state.told.notes.push(note);
        }
        changes.retain(|known| known.to.is_some() || known.title != change.package);
    }
    if let Some(reason) = &context.plan.downgrade_because {
        let note = format!("an older bundle or older packages were wanted, because: {reason}");
        state.told.notes.insert(0, note);
    }
    if let Some(reason) = &context.plan.extras_ignored_because {
        let note = format!("files that would not load were to be ignored, because: {reason}");
        state.told.notes.insert(0, note);
    }
    if outcome == Outcome::Done {
        let backup = context.dir().backup();
        state.told.notes.extend(changes::notes(&backup));
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
        health: state.told.health,
        notes: state.told.notes,
        data: stores::told(context),
        // One that cannot be read is said when it is to be sealed.
        backup_recipients: seal::recorded(context.layout, context.run)
            .map_or_else(|_| Vec::new(), |recipients| recipients.names()),
    }
}
