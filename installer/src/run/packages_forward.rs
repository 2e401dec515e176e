//! The packages of a way forward.

use std::fs::File;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;

use super::execute::State;
use super::transaction::complaints;
use super::{Context, StepResult, needed};
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
    let mut staying = match refused(context, going, log)? {
        None => Vec::new(),
        Some(_) => going.to_vec(),
    };
    while !staying.is_empty() {
        let (mut left, mut whys) = (Vec::new(), Vec::new());
        for change in staying.iter().rev() {
            if let Some(why) = refused(context, std::slice::from_ref(change), log)? {
                left.insert(0, *change);
                whys.push(format!("{} stays installed: {why}", change.package));
            }
        }
        if left.len() == staying.len() {
            state.notes.extend(whys);
            break;
        }
        staying = left;
    }
    let is_gone =
        |change: &&PackageChange<'_>| staying.iter().all(|kept| kept.package != change.package);
    let gone: Vec<PackageChange<'_>> = going.iter().filter(is_gone).copied().collect();
    let Some(undone) = context.undone else {
        return Ok(());
    };
    for change in &gone {
        needed::clear_directories(context, &undone.baseline.absent, *change)?;
    }
    needed::restore_directories(context, &undone.baseline.directories, &gone)
}

/// Has rpm remove packages. Where it refuses, they are as they were, and why is returned.
fn refused(
    context: &Context<'_>,
    going: &[PackageChange<'_>],
    log: &File,
) -> Result<Option<String>, String> {
    let names: Vec<&Nevra> = going
        .iter()
        .filter_map(|change| change.from)
        .map(|rpm| &rpm.nevra)
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let answer = context.erase(&names, Erasure::Plain, log)?;
    let complaint = complaints(&answer);
    let is_there = |change: &PackageChange<'_>| context.is_installed(change.package, change.from);
    match complaint.is_empty() {
        true => Ok(None),
        false if answer.code.is_some() && going.iter().all(is_there) => Ok(Some(complaint)),
        false => Err(complaint),
    }
}

/// Returns how rpm is called for a plan.
pub(crate) const fn mode(plan: &InstallPlan) -> RpmMode {
    match plan.kind {
        PlanKind::Upgrade if plan.downgrade_because.is_none() => RpmMode::Upgrade,
        PlanKind::Upgrade | PlanKind::Undo { .. } | PlanKind::Restore { .. } => RpmMode::GoBack,
    }
}
