//! A report as text for people.

use manifests::printable::printable;

use super::stores;
use crate::history::report::{Change, ComponentHealth, HealthState, Outcome, RunReport, UnitLog};

/// Returns a report as text.
pub(in crate::cli) fn report(report: &RunReport) -> String {
    let seconds = report.ended.saturating_sub(report.started);
    let (run, title, verdict) = (report.run, printable(&report.title), verdict(report));
    let verdict = verdict.trim_end();
    let mut text = format!("Run {run} ({title}, {seconds} s): {verdict}\n");
    for one in &report.changes {
        if let Some(line) = change(one, &report.outcome) {
            text.push_str(&format!("  {:<16} {line}\n", printable(&one.title)));
        }
    }
    for ComponentHealth { title, state } in &report.health {
        let title = printable(title);
        match state {
            HealthState::Healthy => {}
            HealthState::AsBefore { why } => {
                let why = printable(why);
                text.push_str(&format!("  {title}: not well, as before the run: {why}\n"));
            }
            HealthState::NotChecked { why } => {
                let why = printable(why);
                text.push_str(&format!("  {title}: health not checked: {why}\n"));
            }
        }
    }
    for one in report.not_well.iter().filter(|one| !one.before) {
        text.push_str(&format!(
            "  {}: NOT WELL: {}\n",
            printable(&one.title),
            printable(&one.why)
        ));
    }
    for log in &report.unit_logs {
        text.push_str(&said(log));
    }
    text.push_str(&stores::report(&report.data));
    for one in &report.chosen {
        text.push_str(&format!("  chosen: {}\n", printable(&one.text())));
    }
    for note in &report.notes {
        text.push_str(&format!("  note: {}\n", printable(note)));
    }
    text
}

/// How many lines of a service's log are shown; the stored report has more.
const LINES: usize = 12;

fn said(log: &UnitLog) -> String {
    if log.lines.is_empty() {
        return String::new();
    }
    let mut text = format!("  {} said last:\n", printable(&log.unit));
    for line in &log.lines[log.lines.len().saturating_sub(LINES)..] {
        text.push_str(&format!("    | {}\n", printable(line)));
    }
    text
}

fn health(report: &RunReport) -> &'static str {
    let is_healthy = |one: &ComponentHealth| one.state == HealthState::Healthy;
    match report.health.as_slice() {
        _ if report.exit().is_some() => "; NOT WELL, see below",
        [] => "",
        all if all.iter().all(is_healthy) => " and healthy",
        _ => "; see below for health",
    }
}

fn verdict(report: &RunReport) -> String {
    match &report.outcome {
        Outcome::Done => format!("done: every component is at its target{}", health(report)),
        Outcome::Unchanged { cause } => {
            format!("failed before anything was changed: {}", printable(cause))
        }
        Outcome::Reverted {
            cause,
            as_it_is: Some(reason),
            differences,
            ..
        } => format!(
            "CLOSED AS IT IS, because: {}\n  cause: {}{}",
            printable(reason),
            printable(cause),
            differing(differences)
        ),
        Outcome::Reverted {
            cause, differences, ..
        } if report.outcome.has_differences() => {
            let data = match &report.outcome {
                Outcome::Reverted { data: Some(_), .. } => ", BUT DATA WERE NOT PUT BACK",
                _ => "",
            };
            let with = if differences.is_empty() {
                ""
            } else {
                ", WITH DIFFERENCES"
            };
            format!(
                "failed and reverted{with}{data}: a person must look\n  cause: {}{}",
                printable(cause),
                differing(differences)
            )
        }
        Outcome::Reverted { cause, .. } => {
            let cause = printable(cause);
            format!("failed and reverted, the host is as it was\n  cause: {cause}")
        }
        Outcome::RevertFailed {
            cause,
            revert_cause,
            commands,
            ..
        } => format!(
            "FAILED, AND THE REVERT FAILED: the host needs a person\n  cause: {}\n  revert: {}\n{}",
            printable(cause),
            printable(revert_cause),
            by_hand(commands)
        ),
    }
}

fn differing(differences: &[String]) -> String {
    let line = |text: &String| format!("\n  differs: {}", printable(text));
    differences.iter().map(line).collect()
}

/// Returns the commands for a person, one a line, so that they can be copied.
pub(in crate::cli) fn by_hand(commands: &[String]) -> String {
    let line = |command: &String| format!("    {command}\n");
    let lines: String = commands.iter().map(line).collect();
    format!("  by hand:\n{lines}")
}

fn change(change: &Change, outcome: &Outcome) -> Option<String> {
    let is_done = *outcome == Outcome::Done;
    let arrow = match outcome {
        Outcome::Done => "->",
        Outcome::RevertFailed { .. }
        | Outcome::Reverted {
            as_it_is: Some(_), ..
        } => "was; wanted",
        _ => "stays; wanted",
    };
    Some(match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{from} {arrow} {to}"),
        (None, Some(to)) if is_done => format!("new: {to}"),
        (None, Some(to)) => format!("was not installed; wanted {to}"),
        (Some(from), None) if is_done => format!("removed: {from}"),
        (Some(from), None) => format!("{from}, which was to be removed"),
        (None, None) => return None,
    })
}
