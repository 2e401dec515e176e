//! Text for people.

mod stores;

use std::io::Write as _;

use super::{Output, Place};
use crate::event::Event;
use crate::failure::Failure;
use crate::history::report::{ComponentHealth, HealthState, Outcome, RunReport};
use crate::plan::{InstallPlan, PlanKind, PlannedPackage};
use crate::problem::Problem;

/// Prints the three parts of a failure.
pub(super) fn failure(failure: &Failure) {
    eprintln!("error: {}", failure.explained.what);
    eprintln!("  why: {}", failure.explained.why);
    eprintln!(" next: {}", failure.explained.next);
}

/// Prints a warning.
pub(super) fn warning(text: &str) {
    eprintln!("warning: {text}");
}

/// Prints what was done, where standard output is for something else.
pub(super) fn note(text: &str) {
    eprintln!("{text}");
}

/// Prints a result document, or its text.
pub(super) fn result<T: serde::Serialize>(place: &Place, document: &T, text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe ends the output, not the run.
    let _ = match place.output {
        Output::Text => writeln!(out, "{}", text.trim_end()),
        Output::Json => match manifests::json::canonical(document) {
            Ok(bytes) => out.write_all(&bytes),
            Err(error) => writeln!(out, "{{\"error\":\"{error}\"}}"),
        },
    };
}

/// Prints progress.
pub(super) fn event(event: &Event) {
    let mut err = std::io::stderr().lock();
    // The terminal may be gone; the run goes on.
    let _ = match event {
        Event::Started { title, .. } => writeln!(err, "  … {title}"),
        Event::Done { note, .. } if note.is_empty() => Ok(()),
        Event::Done { note, .. } => writeln!(err, "    {note}"),
        Event::Failed { why, .. } => writeln!(err, "  ✗ {why}"),
        Event::Waiting { what } => writeln!(err, "    waiting for {what}"),
    };
}

/// Joins problems into the reason of one failure.
pub(super) fn problems(problems: &[Problem]) -> (String, String) {
    let list = |texts: Vec<&str>| match texts.as_slice() {
        [one] => (*one).to_owned(),
        several => several
            .iter()
            .enumerate()
            .fold(String::new(), |all, (at, text)| {
                format!("{all}\n    {}. {text}", at + 1)
            }),
    };
    let mut cures: Vec<&str> = problems
        .iter()
        .map(|problem| problem.cure.as_str())
        .collect();
    cures.dedup();
    (
        list(
            problems
                .iter()
                .map(|problem| problem.what.as_str())
                .collect(),
        ),
        list(cures),
    )
}

/// Returns a plan as text.
pub(super) fn plan(plan: &InstallPlan) -> String {
    let mut text = match plan.kind {
        PlanKind::Upgrade => format!(
            "{} {} for {} {} ({})\n",
            plan.title, plan.version, plan.distro, plan.arch, plan.host
        ),
        PlanKind::Undo { run } => format!("{}: undo of run {run} ({})\n", plan.title, plan.host),
        PlanKind::Restore { run } => {
            format!("{}: data of before run {run} ({})\n", plan.title, plan.host)
        }
    };
    if plan.is_empty() {
        text.push_str("Nothing to do: every installed component is at its target.\n");
    }
    for (at, group) in plan.groups.iter().enumerate() {
        for planned in &group.components {
            let unit = planned.component.unit.as_deref().unwrap_or("no service");
            text.push_str(&format!(
                "  {}. {:<16} {} -> {}   ({unit})\n",
                at + 1,
                planned.component.title,
                planned.from.nevra,
                planned.to.nevra
            ));
            for forecast in &planned.config {
                text.push_str(&format!(
                    "       {}: {}\n",
                    forecast.path,
                    forecast.fate.text(plan.kind)
                ));
            }
        }
        for PlannedPackage {
            from,
            to,
            reason,
            config,
            ..
        } in &group.packages
        {
            let change = match (from, to) {
                (Some(from), Some(to)) => format!("{} -> {}", from.nevra, to.nevra),
                (None, Some(to)) => format!("+ {}", to.nevra),
                (Some(from), None) => format!("- {}", from.nevra),
                (None, None) => continue,
            };
            text.push_str(&format!("       {change}   ({reason})\n"));
            for forecast in config {
                let (path, fate) = (&forecast.path, forecast.fate.beside_text(plan.kind));
                text.push_str(&format!("         {path}: {fate}\n"));
            }
        }
        for line in group.extras.lines() {
            text.push_str(&format!("       {line}\n"));
        }
    }
    let lines = [
        ("already at target", &plan.current),
        ("not on this host", &plan.absent),
    ];
    for (what, names) in lines.into_iter().filter(|(_, names)| !names.is_empty()) {
        text.push_str(&format!("  {what}: {}\n", names.join(", ")));
    }
    text.push_str(&stores::plan(plan));
    for note in &plan.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}

/// Returns a report as text.
pub(super) fn report(report: &RunReport) -> String {
    let verdict = match &report.outcome {
        Outcome::Done
            if report
                .health
                .iter()
                .all(|one| one.state == HealthState::Healthy) =>
        {
            "done: every component is at its target and healthy".to_owned()
        }
        Outcome::Done => "done: every component is at its target; see below for health".to_owned(),
        Outcome::Unchanged { cause } => format!("failed before anything was changed: {cause}"),
        Outcome::Reverted { cause } => {
            format!("failed and reverted, the host is as it was\n  cause: {cause}")
        }
        Outcome::RevertFailed {
            cause,
            revert_cause,
            commands,
        } => format!(
            "FAILED, AND THE REVERT FAILED: the host needs a person\n  cause: {cause}\n  \
             revert: {revert_cause}\n  by hand:\n    {}",
            commands.join("\n    ")
        ),
    };
    let seconds = report.ended.saturating_sub(report.started);
    let mut text = format!(
        "Run {} ({}, {seconds} s): {verdict}\n",
        report.run, report.title
    );
    let is_done = report.outcome == Outcome::Done;
    for change in &report.changes {
        let arrow = match report.outcome {
            Outcome::Done => "->",
            Outcome::RevertFailed { .. } => "was; wanted",
            _ => "stays; wanted",
        };
        let title = &change.title;
        let line = match (&change.from, &change.to) {
            (Some(from), Some(to)) => format!("{from} {arrow} {to}"),
            (None, Some(to)) if is_done => format!("new: {to}"),
            (None, Some(to)) => format!("was not installed; wanted {to}"),
            (Some(from), None) if is_done => format!("removed: {from}"),
            (Some(from), None) => format!("{from}, which was to go"),
            (None, None) => continue,
        };
        text.push_str(&format!("  {title:<16} {line}\n"));
    }
    for ComponentHealth { title, state } in &report.health {
        match state {
            HealthState::Healthy => {}
            HealthState::AsBefore { why } => {
                text.push_str(&format!("  {title}: not well, as before the run: {why}\n"));
            }
            HealthState::NotChecked { why } => {
                text.push_str(&format!("  {title}: health not checked: {why}\n"));
            }
        }
    }
    text.push_str(&stores::report(&report.data));
    for note in &report.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}

/// Returns what became of data stores.
pub(super) fn data(data: &[crate::history::report::DataReport]) -> String {
    stores::report(data)
}

/// Returns a time as UTC text.
pub(super) fn time(seconds: u64) -> String {
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    stamp.map_or_else(|| seconds.to_string(), |stamp| stamp.to_string())
}
