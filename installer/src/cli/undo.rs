//! `install undo ID` and `install rollback ID`.

use super::execute::{self, Request};
use super::{Place, install, render, require_root, view};
use crate::failure::Failure;
use crate::history::{self, PastRun};
use crate::inventory::Inventory;
use crate::preflight;
use crate::run::reserve;
use crate::undo as planning;

pub(super) fn undo(place: &Place, id: u64, lock_wait: u64) -> Result<u8, Failure> {
    require_root("undo a run")?;
    let lock = install::take_lock(place)?;
    install::refuse_open_run(place)?;
    reserve::free(&place.layout);
    let runs = view::runs(place)?;
    let run = view::find(place, id)?;
    let later: Vec<&PastRun> = history::effective(&runs)
        .into_iter()
        .filter(|other| other.id > id)
        .collect();
    let components: Vec<_> = run.plan.components().map(|c| c.component.clone()).collect();
    let packages: Vec<&str> = run.plan.changes().map(|change| change.package).collect();
    let inventory = Inventory::take_of(&place.host, &place.layout, &packages, &components)
        .map_err(|error| install::cannot_look(&error))?;
    let plan = planning::plan(&run, &later, &inventory)
        .map_err(|problems| install::refusal(&format!("run {id} cannot be undone"), &problems))?;
    eprint!("{}", render::plan(&plan));
    let undone = execute::undone(place, &plan)?;
    let request = Request {
        plan: &plan,
        undone: undone.as_ref(),
        lock_wait_secs: lock_wait,
    };
    execute::start(place, lock, &request, || {
        let mut problems = preflight::host(&place.host, &place.layout, &plan);
        preflight::rpm_tests(&place.host, &place.layout, &plan, &mut problems);
        problems
    })
}

/// Undoes everything after a run, newest first, each as a run of its own. It stops at the first one
/// that does not end as done.
pub(super) fn rollback(place: &Place, id: u64, lock_wait: u64) -> Result<u8, Failure> {
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
    for run in after.into_iter().rev() {
        let code = undo(place, run, lock_wait)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}
