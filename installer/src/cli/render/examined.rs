//! A plan with everything that was checked for it: as text, and as a document for programs.

use serde::Serialize;

use super::plan;
use crate::cli::examine::Examined;
use crate::plan::InstallPlan;
use crate::preflight::Room;
use crate::problem::Problem;

/// A plan for programs: its own fields, and what was found.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct PlanDocument<'a> {
    #[serde(flatten)]
    plan: &'a InstallPlan,
    /// The exit code of the command.
    exit: u8,
    /// Every reason against the run.
    problems: &'a [Problem],
    /// What was not looked at, and why.
    not_checked: &'a [String],
    /// The room on each filesystem that the run writes to.
    room: &'a [Room],
    /// What is lost if the run goes back after its services wrote.
    revert_loses: Vec<String>,
}

impl<'a> PlanDocument<'a> {
    pub(in crate::cli) fn new(plan: &'a InstallPlan, examined: &'a Examined, exit: u8) -> Self {
        Self {
            plan,
            exit,
            problems: &examined.problems,
            not_checked: &examined.not_checked,
            room: &examined.rooms,
            revert_loses: plan.revert_loses(),
        }
    }
}

/// Returns a plan with what was found, as text.
pub(in crate::cli) fn examined(shown: &InstallPlan, examined: &Examined) -> String {
    let mut text = plan(shown);
    let loses = shown.revert_loses();
    text.extend(
        loses
            .iter()
            .map(|line| format!("  a revert loses: {line}\n")),
    );
    if loses.is_empty() && !shown.stores.is_empty() {
        text.push_str("  a revert loses: no data\n");
    }
    text.extend(examined.rooms.iter().map(room));
    for line in &examined.not_checked {
        text.push_str(&format!("  not checked: {line}\n"));
    }
    text
}

fn room(room: &Room) -> String {
    let needed = room.needed_bytes.div_ceil(1 << 20);
    let free = room.free_bytes.map_or("unknown".to_owned(), |free| {
        format!("{} MiB free", free >> 20)
    });
    format!("  room: {} needs {needed} MiB, {free}\n", room.place)
}
