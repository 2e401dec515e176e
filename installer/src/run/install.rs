//! The packages of a way forward.

use std::fs::File;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;

use super::execute::State;
use super::transaction::complaints;
use super::{Context, StepResult, brought};
use crate::host::{Erasure, RpmMode};
use crate::plan::{Group, InstallPlan, PackageChange, PlanKind};

/// Brings the packages of a group, and lets go those that an undo has no use for. What somebody else
/// needs by now stays, and is told.
pub(super) fn transact(
    context: &Context<'_>,
    state: &mut State,
    groups: &[&Group],
    log: &File,
) -> StepResult {
    let changes = || groups.iter().flat_map(|group| group.changes());
    let coming = changes().filter_map(|change| change.to);
    let digests: Vec<Sha256> = coming.map(|rpm| rpm.sha256).collect();
    let complaint = context.transact(&digests, mode(context.plan), log)?;
    if !complaint.is_empty() {
        return Err(complaint);
    }
    let going: Vec<PackageChange<'_>> = changes().filter(|c| c.to.is_none()).collect();
    let_go(context, state, &going, log)?;
    Ok(String::new())
}

/// Removes what an undo has no use for: all of it at once, for one may need another; where somebody else
/// needs some of it, what can go alone, until nothing more goes.
fn let_go(
    context: &Context<'_>,
    state: &mut State,
    going: &[PackageChange<'_>],
    log: &File,
) -> Result<(), String> {
    let is_there = |change: &PackageChange<'_>| context.is_installed(change.package, change.from);
    let mut there: Vec<PackageChange<'_>> = going.to_vec();
    let mut all_at_once = true;
    while !there.is_empty() {
        let before = there.len();
        let sets: Vec<Vec<PackageChange<'_>>> = if all_at_once {
            vec![there.clone()]
        } else {
            there.iter().rev().map(|change| vec![*change]).collect()
        };
        let mut refusals = Vec::new();
        for set in sets {
            let names: Vec<&Nevra> = set
                .iter()
                .filter_map(|c| c.from)
                .map(|r| &r.nevra)
                .collect();
            let answer = context.erase(&names, Erasure::Plain, log)?;
            let complaint = complaints(&answer);
            let is_refusal = answer.code.is_some() && set.iter().all(is_there);
            if !complaint.is_empty() && !is_refusal {
                return Err(complaint);
            }
            refusals.extend(
                set.first()
                    .filter(|_| is_refusal)
                    .map(|c| (c.package, complaint)),
            );
        }
        there.retain(is_there);
        if there.len() == before && !all_at_once {
            let stays = |(package, why)| format!("{package} stays installed: {why}");
            state.notes.extend(refusals.into_iter().map(stays));
            break;
        }
        all_at_once = false;
    }
    if let Some(undone) = context.undone {
        let gone: Vec<PackageChange<'_>> = going.iter().filter(|c| !is_there(c)).copied().collect();
        for change in &gone {
            brought::clear_directories(context, &undone.baseline.absent, *change)?;
        }
        brought::restore_directories(context, &undone.baseline.directories, &gone)?;
    }
    Ok(())
}

const fn mode(plan: &InstallPlan) -> RpmMode {
    match plan.kind {
        PlanKind::Upgrade => RpmMode::Upgrade,
        PlanKind::Undo { .. } => RpmMode::GoBack,
    }
}
