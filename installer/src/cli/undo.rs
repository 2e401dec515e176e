//! `install undo ID` and `install rollback ID`.

use std::collections::BTreeSet;

use manifests::digest::Sha256;

use super::execute::{self, Request};
use super::sealing::{self, UnsealArgs};
use super::{Place, install, render, require_root, view};
use crate::failure::Failure;
use crate::history::{self, PastRun};
use crate::inventory::Inventory;
use crate::lock::RunLock;
use crate::plan::InstallPlan;
use crate::preflight::{self, Backup};
use crate::run::{self, reserve};
use crate::seal::{self, Recipients, Unlocked};
use crate::undo as planning;

pub(super) fn undo(
    place: &Place,
    id: u64,
    lock_wait: u64,
    args: &UnsealArgs,
) -> Result<u8, Failure> {
    require_root("undo a run")?;
    let lock = install::take_lock(place)?;
    install::refuse_open_run(place)?;
    reserve::free(&place.layout);
    sealing::settle(place, &lock);
    let runs = view::runs(place)?;
    let past = view::find(place, id)?;
    let unlocked = args.unlock(place, id)?;
    // What was sealed does not become plain for good by being undone.
    let recipients =
        seal::recorded(&place.layout, id).map_err(|why| sealing::unusable(id, &why))?;
    let recipients = args.seal.recipients(place)?.and(recipients);
    let plan = plan(place, &runs, &past)?;
    eprint!("{}", render::plan(&plan));
    let run = history::next_id(&place.layout).map_err(|why| install::internal(&why))?;
    let done = go_back(place, lock, run, &plan, unlocked, &recipients, lock_wait);
    // A run that was handed over needs what was unsealed for it, until it is closed.
    if !run::is_prepared(&place.layout, run)
        && let Err(why) = seal::discard_unsealed(&place.layout, run)
    {
        render::warning(&why);
    }
    done
}

fn plan(place: &Place, runs: &[PastRun], past: &PastRun) -> Result<InstallPlan, Failure> {
    let id = past.id;
    let later: Vec<&PastRun> = history::effective(runs)
        .into_iter()
        .filter(|other| other.id > id)
        .collect();
    let components: Vec<_> = past
        .plan
        .components()
        .map(|c| c.component.clone())
        .collect();
    let packages: Vec<&str> = past.plan.changes().map(|change| change.package).collect();
    let mut inventory = Inventory::take_of(&place.host, &place.layout, &packages, &components)
        .map_err(|error| install::cannot_look(&error))?;
    let back = past.plan.changes().filter_map(|change| change.from);
    let back: BTreeSet<Sha256> = back.map(|rpm| rpm.sha256).collect();
    inventory.look_back(&place.host, &place.layout, &back);
    planning::plan(past, &later, &inventory)
        .map_err(|problems| install::refusal(&format!("run {id} cannot be undone"), &problems))
}

fn go_back(
    place: &Place,
    lock: RunLock,
    run: u64,
    plan: &InstallPlan,
    unlocked: Option<Unlocked>,
    recipients: &Recipients,
    lock_wait_secs: u64,
) -> Result<u8, Failure> {
    if let Some(unlocked) = unlocked {
        seal::unseal(&place.layout, run, unlocked).map_err(|why| sealing::unusable(run, &why))?;
    }
    let undone = execute::undone(place, run, plan)?;
    let request = Request {
        run,
        plan,
        undone: undone.as_ref(),
        lock_wait_secs,
        recipients,
    };
    execute::start(place, lock, &request, || {
        let backup = Backup::of(recipients);
        let mut problems = preflight::host(&place.host, &place.layout, plan, backup);
        preflight::rpm_tests(&place.host, &place.layout, plan, &mut problems);
        problems
    })
}

/// Undoes everything after a run, newest first, each as a run of its own. It stops at the first one
/// that does not end as done.
pub(super) fn rollback(
    place: &Place,
    id: u64,
    lock_wait: u64,
    args: &UnsealArgs,
) -> Result<u8, Failure> {
    require_root("roll back")?;
    let runs = view::runs(place)?;
    if id != 0 {
        view::find(place, id)?;
    }
    let after: Vec<u64> = history::effective(&runs)
        .iter()
        .map(|run| run.id)
        .filter(|run| *run > id)
        .collect();
    if after.is_empty() {
        render::result(
            place,
            &after,
            &format!("Nothing to roll back: no run after {id} counts."),
        );
        return Ok(0);
    }
    // An identity that fits only some of them would leave the host half-way back.
    for run in &after {
        args.unlock(place, *run)?;
    }
    for run in after.into_iter().rev() {
        let code = undo(place, run, lock_wait, args)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}
