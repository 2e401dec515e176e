//! The packages of a run that goes forward: installs a group's targets and, in an undo, removes
//! what the undone run brought.

use std::fs::File;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;

use super::error::StepError;
use super::kinds::{self, Which};
use super::state::{Note, State};
use super::successors::{self, Side};
use super::transaction::Answer;
use super::{Context, StepResult, needed, new_services};
use crate::host::Erasure;
use crate::plan::{Group, PackageChange};

/// Installs the packages of a group and removes those that an undo no longer needs. A package that
/// another one needs by now stays, and the report lists it.
pub(super) fn transact(
    context: &Context<'_>,
    state: &mut State,
    groups: &[&Group],
    log: &File,
) -> StepResult {
    let changes = || groups.iter().flat_map(|group| group.changes());
    // Until rpm is free nothing is changed: a failure here leaves the data provably alone.
    context.wait_for_rpm()?;
    state.rpm_may_have_run = true;
    if let Some(undone) = context.undone {
        let all: Vec<PackageChange<'_>> = changes().collect();
        new_services::disable(context)?;
        kinds::put_back(context, &undone.baseline, &all, Which::Turned)?;
        if let Some(text) = successors::remove(context, &all, Side::To, log)?.complaint() {
            return Err(StepError::Rejected(text));
        }
    }
    let coming = changes().filter_map(|change| change.to);
    let digests: Vec<Sha256> = coming.map(|rpm| rpm.sha256).collect();
    if let Answer::Complaint(text) = context.transact(&digests, context.plan.rpm_mode(), log)? {
        return Err(StepError::Rejected(text));
    }
    let going: Vec<PackageChange<'_>> = changes().filter(|c| c.to.is_none()).collect();
    let_go(context, state, &going, log)?;
    Ok(String::new())
}

/// Removes what an undo no longer needs, all at once, because one package may need another. If
/// another package needs some of it, each is tried alone until no more can be removed.
fn let_go(
    context: &Context<'_>,
    state: &mut State,
    going: &[PackageChange<'_>],
    log: &File,
) -> Result<(), StepError> {
    let mut staying = match refused(context, going, log)? {
        None => Vec::new(),
        Some(_) => going.to_vec(),
    };
    while !staying.is_empty() {
        let (mut left, mut whys) = (Vec::new(), Vec::new());
        for change in staying.iter().rev() {
            if let Some(why) = refused(context, std::slice::from_ref(change), log)? {
                left.insert(0, *change);
                whys.push(Note::Kept(change.package.to_owned(), Some(why)));
            }
        }
        if left.len() == staying.len() {
            refuse_stopped(context, &left, &whys)?;
            state.findings.notes.extend(whys);
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

/// Refuses to leave a component on the host whose service would stay stopped.
fn refuse_stopped(
    context: &Context<'_>,
    left: &[PackageChange<'_>],
    whys: &[Note],
) -> Result<(), StepError> {
    let leaves = |package: &str| {
        let mut all = context.plan.components();
        all.any(|one| one.to.is_none() && one.component.package == package)
    };
    let mut named = left.iter().zip(whys);
    match named.find(|(change, _)| leaves(change.package)) {
        Some((_, why)) => Err(StepError::Rejected(why.to_string())),
        None => Ok(()),
    }
}

/// Lets rpm remove packages. If rpm refuses, the packages are unchanged, and the reason is
/// returned.
fn refused(
    context: &Context<'_>,
    going: &[PackageChange<'_>],
    log: &File,
) -> Result<Option<String>, StepError> {
    let mut names: Vec<&Nevra> = Vec::new();
    for change in going {
        // A package that its successor replaced is gone already.
        if context.is_there(change.package)? {
            names.extend(change.from.map(|rpm| &rpm.nevra));
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    let answer = context.erase(&names, Erasure::Plain, log)?;
    let was_erased = |change: &PackageChange<'_>| names.iter().any(|n| n.name() == change.package);
    let is_there = |change: &PackageChange<'_>| {
        !was_erased(change) || context.is_installed(change.package, change.from)
    };
    match Answer::of(&answer) {
        Answer::Fine => Ok(None),
        Answer::Complaint(text) if answer.code.is_some() && going.iter().all(is_there) => {
            Ok(Some(text))
        }
        Answer::Complaint(text) => Err(StepError::Rejected(text)),
    }
}
