//! A plan as text for people.

use manifests::printable::printable;

use super::stores;
use crate::plan::{Group, InstallPlan, PlanKind, PlannedPackage};

/// Returns a plan as text.
pub(in crate::cli) fn plan(plan: &InstallPlan) -> String {
    let mut text = heading(plan);
    for (at, group) in plan.groups.iter().enumerate() {
        components(&mut text, at + 1, group, plan.kind);
        for planned in &group.packages {
            package(&mut text, planned, plan.kind);
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
    for one in &plan.chosen {
        text.push_str(&format!("  chosen: {}\n", printable(&one.text())));
    }
    for note in &plan.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}

fn heading(plan: &InstallPlan) -> String {
    let title = printable(&plan.title);
    let mut text = match plan.kind {
        PlanKind::Upgrade => format!(
            "{title} {} for {} {} ({})\n",
            printable(&plan.version),
            plan.distro,
            plan.arch,
            plan.host
        ),
        PlanKind::Undo { run } => format!("{title}: undo of run {run} ({})\n", plan.host),
        PlanKind::Restore { run } => format!("{title}: data of before run {run} ({})\n", plan.host),
    };
    if plan.is_empty() {
        text.push_str("Nothing to do: every installed component is at its target.\n");
    }
    text
}

fn components(text: &mut String, number: usize, group: &Group, kind: PlanKind) {
    for planned in &group.components {
        let title = printable(&planned.component.title);
        let unit = planned.component.unit.as_deref().unwrap_or("no service");
        text.push_str(&format!(
            "  {number}. {title:<16} {}   ({unit})\n",
            planned.change()
        ));
        for forecast in &planned.config {
            let (path, fate) = (&forecast.path, forecast.text(kind));
            text.push_str(&format!("       {path}: {fate}\n"));
        }
    }
}

fn package(text: &mut String, planned: &PlannedPackage, kind: PlanKind) {
    let change = match (&planned.from, &planned.to) {
        (Some(from), Some(to)) => format!("{} -> {}", from.nevra, to.nevra),
        (None, Some(to)) => format!("+ {}", to.nevra),
        (Some(from), None) => format!("- {}", from.nevra),
        (None, None) => return,
    };
    text.push_str(&format!("       {change}   ({})\n", planned.reason));
    for forecast in &planned.config {
        let (path, fate) = (&forecast.path, forecast.fate.beside_text(kind));
        text.push_str(&format!("         {path}: {fate}\n"));
    }
}
