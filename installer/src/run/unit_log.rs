//! Keeps what the system's log has of services that are not well: the words of the service itself,
//! without secrets, before a revert starts the previous version. It never fails a run.

use manifests::product::Component;

use super::state::State;
use super::{Baseline, Context};
use crate::document;
use crate::failure::chain;
use crate::history::report::{UNIT_LOGS_TYPE, UnitLog, UnitLogs};
use crate::journal::step::{GroupStep, Step};
use crate::redact::Secrets;

/// Lines of one unit.
const LINES: u32 = 40;
/// Characters of one line.
const LINE_MAX_CHARS: usize = 1000;
/// Units of one run.
const UNITS: usize = 16;

/// Keeps the log of a group's services if a step failed in which they, or rpm, may have done
/// something.
pub(super) fn keep_of_failure(context: &Context<'_>, state: &State) {
    let Some((Step::Group(step, group), since)) = &state.at else {
        return;
    };
    if matches!(
        step,
        GroupStep::Transaction | GroupStep::Check | GroupStep::Release | GroupStep::Health
    ) {
        let held = context.plan.held_with(group);
        keep(context, &state.saved.baseline, &held, *since);
    }
}

/// Keeps the log of some components since a moment.
pub(super) fn keep(
    context: &Context<'_>,
    baseline: &Baseline,
    components: &[&Component],
    since: u64,
) {
    if !context.has_units(baseline) {
        return;
    }
    let secrets = Secrets::of_components(
        context.host,
        context.layout,
        context.plan.known_components(),
    );
    let units = baseline.all_services(components.iter().copied());
    let log = |unit: &str| UnitLog {
        unit: unit.to_owned(),
        lines: lines(context, unit, since, &secrets),
    };
    let document = UnitLogs {
        document: UNIT_LOGS_TYPE.to_owned(),
        logs: units.take(UNITS).map(log).collect(),
    };
    // Without room for it, the cause alone is reported.
    let _ = document::write(&context.dir().unit_logs(), &document);
}

fn lines(context: &Context<'_>, unit: &str, since: u64, secrets: &Secrets) -> Vec<String> {
    let found = match context.host.unit_log(unit, since, LINES) {
        Ok(lines) => lines,
        Err(error) => vec![format!("the log cannot be read: {}", chain(&error))],
    };
    let short = |line: &str| line.chars().take(LINE_MAX_CHARS).collect();
    // A secret may lie over the end of a line that is cut.
    let clean = secrets.remove_from(&found.join("\n"));
    clean.lines().map(short).collect()
}

/// Returns what this or an earlier try of the run kept.
pub(super) fn kept(context: &Context<'_>) -> Vec<UnitLog> {
    let kept = document::read::<UnitLogs>(&context.dir().unit_logs());
    kept.map_or_else(|_| Vec::new(), |kept| kept.logs)
}
