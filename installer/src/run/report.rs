//! Makes the report of a run from its findings, stores it, and closes the run.

use super::state::{Note, State};
use super::{Context, reserve, stores, unit_log};
use crate::backup::changes;
use crate::backup::seal;
use crate::failure::chain;
use crate::history;
use crate::history::report::{HealthState, NotWell, Outcome, REPORT_TYPE, RunReport, changes};
use crate::plan::InstallPlan;
use crate::trust::sequence;

/// Reports a run that reached and recorded its target but could not remove the drop-ins. The run
/// stays open, so that `resume` finishes it forward.
pub(super) fn unfinished(
    context: &Context<'_>,
    started: u64,
    mut state: State,
    cause: &str,
) -> RunReport {
    let free = super::FREE_BY_HAND;
    let program = history::program(context.layout, context.run);
    state.findings.notes.push(Note::Attention(format!(
        "{cause}. After a reboot the services would stay down. Run `{program} resume` to \
         finish, or by hand: {free}"
    )));
    reserve::free(context.layout);
    make(context, started, Outcome::Done, state)
}

/// Makes the report and stores it. A report that cannot be stored is still true, so it is returned;
/// the run then stays open.
pub(super) fn finish(
    context: &Context<'_>,
    started: u64,
    outcome: Outcome,
    state: State,
) -> RunReport {
    reserve::free(context.layout);
    let mut report = make(context, started, outcome, state);
    remember_sequence(context, &mut report);
    if let Err(error) = super::write_document(&context.dir().report(), &report) {
        let why = chain(&error);
        let note = format!("this report could not be stored: {why}");
        report.notes.push(note);
    }
    report
}

/// Records the bundle's sequence if the run is done. Happens before the report closes the run: a run
/// that is cut off here is finished forward and comes here again.
pub(super) fn remember_sequence(context: &Context<'_>, report: &mut RunReport) {
    if report.outcome == Outcome::Done
        && let Some(mark) = context.plan.mark(context.run)
        && let Err(why) = sequence::advance(context.layout, &mark)
    {
        let note = Note::Attention(format!(
            "the bundle's sequence could not be recorded: {why}. Older bundles are refused only by \
             the installed packages"
        ));
        report.notes.push(note.to_string());
    }
}

/// Returns everything that is not well at the end of a run.
fn not_well(state: &State) -> Vec<NotWell> {
    let as_before = state.findings.health.iter().filter_map(|one| {
        let HealthState::AsBefore { why } = &one.state else {
            return None;
        };
        Some(NotWell {
            title: one.title.clone(),
            why: why.clone(),
            before: true,
        })
    });
    let since = state.findings.not_well.iter().cloned();
    as_before.chain(since).collect()
}

/// Makes a report.
pub(super) fn make(
    context: &Context<'_>,
    started: u64,
    outcome: Outcome,
    mut state: State,
) -> RunReport {
    let mut changes = changes(context.plan);
    // Another package may need by now what the undo would have removed.
    let removed = context.plan.changes().filter(|change| change.to.is_none());
    for change in removed.filter(|_| outcome == Outcome::Done) {
        let package = change.package;
        let is_kept = |note: &Note| matches!(note, Note::Kept(known, _) if known == package);
        match context.is_there(package) {
            Ok(false) => continue,
            Ok(true) if state.findings.notes.iter().any(is_kept) => {}
            Ok(true) => state
                .findings
                .notes
                .push(Note::Kept(package.to_owned(), None)),
            Err(error) => state.findings.notes.push(Note::Info(format!(
                "it is not known whether {package} was removed: {}",
                chain(&error)
            ))),
        }
        changes.retain(|known| known.to.is_some() || known.title != change.package);
    }
    note_consents(context.plan, &mut state.findings.notes);
    if outcome == Outcome::Done {
        let lasting = context.plan.lasting_notes().cloned();
        state.findings.notes.extend(lasting.map(Note::Info));
        let backup = context.dir().backup();
        let configuration = changes::notes(&backup);
        state
            .findings
            .notes
            .extend(configuration.into_iter().map(Note::Info));
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
        not_well: not_well(&state),
        notes: notes(&state),
        health: state.findings.health,
        data: stores::report(context),
        // A damaged list of recipients is reported when the backup is sealed.
        chosen: context.plan.chosen.clone(),
        unit_logs: unit_log::kept(context),
        backup_recipients: seal::recorded(context.layout, context.run)
            .map_or_else(|_| Vec::new(), |recipients| recipients.names()),
    }
}

/// Puts what the operator allowed before the other notes.
fn note_consents(plan: &InstallPlan, notes: &mut Vec<Note>) {
    if let Some(reason) = &plan.downgrade_because {
        let note = format!("an older bundle or older packages were allowed, because: {reason}");
        notes.insert(0, Note::Info(note));
    }
    if let Some(reason) = &plan.sequence_jump_because {
        let note = format!("a sequence far above the last one was allowed, because: {reason}");
        notes.insert(0, Note::Info(note));
    }
    for (name, reason) in &plan.unhealthy_before {
        let note = format!("{name} was allowed to be ill before the run, because: {reason}");
        notes.insert(0, Note::Info(note));
    }
    if let Some(reason) = &plan.extras_ignored_because {
        let note = format!("files that would not load were to be ignored, because: {reason}");
        notes.insert(0, Note::Info(note));
    }
}

/// Returns the notes in their order, each once: a later try has those of the earlier ones.
fn notes(state: &State) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in state.findings.notes.iter().map(Note::to_string) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}
