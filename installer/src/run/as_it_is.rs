//! Ends an open run because a person says so: nothing is put back. What differs is recorded where it
//! can be found out, and every hold goes.

use super::error::StepError;
use super::hold::remove_every_hold;
use super::report;
use super::scope_back::Scope;
use super::state::{Note, Saved, State};
use super::unfinished::CUT_OFF;
use super::{Context, reserve, stores, untouched};
use crate::backup::by_hand::different;
use crate::document;
use crate::failure::chain;
use crate::history::report::{DataState, NotWell, Outcome, REPORT_TYPE, RunReport};
use crate::host::Host;
use crate::journal::lock::RunLock;
use crate::journal::recover::{self, Decision};
use crate::journal::{self, Record};
use crate::layout::Layout;
use crate::plan::PlanKind;

/// How many paths a report names one by one.
const NAMED: usize = 10;

/// A request to end a run as it is.
pub struct AsItIs<'a> {
    /// The host.
    pub host: &'a dyn Host,
    /// The paths of the installer.
    pub layout: &'a Layout,
    /// The run.
    pub run: u64,
    /// Why.
    pub reason: &'a str,
    /// What the run works with, if its plan can be read.
    pub context: Option<&'a Context<'a>>,
}

impl std::fmt::Debug for AsItIs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsItIs")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// Removes the holds and closes the run. The report has the reason and what differs.
pub fn close_as_it_is(asked: &AsItIs<'_>, _lock: &RunLock) -> Result<RunReport, StepError> {
    let path = asked.layout.run(asked.run).report();
    let earlier: Option<RunReport> = document::read(&path).ok();
    let records = journal::read(&asked.layout.run(asked.run).journal());
    let mut state = State::default();
    let notes = earlier
        .iter()
        .flat_map(|report| report.notes.iter().cloned());
    state.findings.notes.extend(notes.map(Note::Info));
    state.findings.notes.push(Note::Attention(format!(
        "a person closed the run as it was found, because: {}",
        asked.reason
    )));
    let outcome = outcome(asked, &mut state, records.as_deref());
    // Before the report: a closed run holds nothing.
    for removed in remove_every_hold(asked.host, asked.layout)? {
        state
            .findings
            .notes
            .push(Note::Info(format!("removed {removed}")));
    }
    let first = records
        .ok()
        .and_then(|records| records.first().map(|record| record.at));
    let known = earlier.as_ref().map(|report| report.started);
    let started = first.or(known).unwrap_or_else(|| asked.host.now());
    reserve::free(asked.layout);
    let report = match asked.context {
        Some(context) => {
            let mut report = report::make(context, started, outcome, state);
            report::remember_sequence(context, &mut report);
            report
        }
        None => bare(asked, started, outcome, &state),
    };
    document::write(&path, &report)?;
    Ok(report)
}

fn outcome<E: std::error::Error>(
    asked: &AsItIs<'_>,
    state: &mut State,
    records: Result<&[Record], &E>,
) -> Outcome {
    let as_it_is = |cause: &str, differences, data| Outcome::Reverted {
        cause: cause.to_owned(),
        differences,
        data,
        as_it_is: Some(asked.reason.to_owned()),
    };
    let unknown = |why: &str| format!("what the run changed is not known: {why}");
    let records = match records {
        Ok(records) => records,
        Err(error) => return as_it_is(CUT_OFF, vec![unknown(&chain(error))], None),
    };
    let cause = recover::first_failure(records)
        .unwrap_or(CUT_OFF)
        .to_owned();
    let is_live = asked.layout.run(asked.run).live().exists();
    let reached = match recover::decide(records, is_live) {
        Decision::FinishForward => {
            if let Some(context) = asked.context {
                state.findings.not_well = down(context);
            }
            return Outcome::Done;
        }
        Decision::Close => return Outcome::Unchanged { cause },
        Decision::PutBack(reached) => reached,
    };
    state.reached = reached;
    let Some(context) = asked.context else {
        return as_it_is(&cause, vec![unknown("its plan cannot be read")], None);
    };
    untouched::load(context, &mut state.reached);
    let rewritten = stores::rewritten(context.plan, &state.reached);
    let lost: Vec<String> = rewritten
        .iter()
        .filter(|store| !stores::is_back(store, &state.reached))
        .map(|store| {
            format!(
                "the data of {} may have been rewritten and were not put back by a revert",
                store.name
            )
        })
        .collect();
    let data = (!lost.is_empty()).then_some(DataState::NotRestored);
    let mut differences = match Saved::load(context) {
        Ok(saved) => {
            state.saved = saved;
            look(context, state)
        }
        Err(error) => vec![unknown(&chain(&error))],
    };
    differences.extend(lost);
    as_it_is(&cause, differences, data)
}

/// Returns the services that ran before a run that reached its target, and do not run now.
fn down(context: &Context<'_>) -> Vec<NotWell> {
    let Ok(Saved { baseline, .. }) = Saved::load(context) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for component in context.plan.all_components() {
        let services = baseline.services(component).into_iter();
        for unit in services.filter(|unit| baseline.was_up(unit) && context.has_units(&baseline)) {
            if !context.host.unit(unit).is_ok_and(|now| now.is_up()) {
                found.push(NotWell {
                    title: component.title.clone(),
                    why: format!("{unit} ran before and does not run"),
                    before: false,
                });
            }
        }
    }
    found
}

/// Compares the host with the state before the run.
fn look(context: &Context<'_>, state: &State) -> Vec<String> {
    let baseline = &state.saved.baseline;
    let scope = Scope::of_all_changed(context.plan, state);
    let mut differences = Vec::new();
    for group in &scope.changed {
        let checked = context.check_released(baseline, &[group]);
        differences.extend(checked.err().map(|error| chain(&error)));
    }
    // What was released is live: its files are what people and services made of them.
    if let (false, Ok(before)) = (state.reached.back.is_live, state.saved.before()) {
        let roots = scope.roots(context, baseline);
        let paths = different(context.layout, &before.restricted(&roots));
        if !paths.is_empty() {
            let named = paths
                .iter()
                .take(NAMED)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            differences.push(format!("{} files differ: {named}", paths.len()));
        }
    }
    let services = baseline.all_services(context.plan.all_components());
    for unit in services.filter(|unit| context.has_units(baseline) && baseline.was_up(unit)) {
        if !context.host.unit(unit).is_ok_and(|now| now.is_up()) {
            differences.push(format!("{unit} ran before and does not run"));
        }
    }
    differences
}

/// The report of a run whose plan cannot be read.
fn bare(asked: &AsItIs<'_>, started: u64, outcome: Outcome, state: &State) -> RunReport {
    RunReport {
        document: REPORT_TYPE.to_owned(),
        run: asked.run,
        kind: PlanKind::Upgrade,
        title: "a run whose plan cannot be read".to_owned(),
        started,
        ended: asked.host.now(),
        outcome,
        changes: Vec::new(),
        not_well: Vec::new(),
        health: Vec::new(),
        notes: state.findings.notes.iter().map(Note::to_string).collect(),
        data: Vec::new(),
        backup_recipients: Vec::new(),
        unit_logs: Vec::new(),
        chosen: Vec::new(),
    }
}
