//! `install undo ID` and `install rollback ID`.

use clap::Args;
use std::collections::BTreeSet;

use manifests::digest::Sha256;

use super::execute::{self, Request};
use super::sealing::{self, UnsealArgs};
use super::{Place, install, render, require_root, view};
use crate::backup::seal::{self, Recipients, Unlocked};
use crate::failure::{Exit, Failure};
use crate::history::{self, PastRun};
use crate::inventory::Inventory;
use crate::journal::lock::RunLock;
use crate::plan::InstallPlan;
use crate::plan::undo::{self as planning, DataChoice};
use crate::preflight::{self, Backup};
use crate::run::{self, reserve};

/// What is said about data and sealed backups.
#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// Put back the dumps of data that the undone run rewrote. What was written since is lost to the
    /// product; it is dumped first, and kept.
    #[arg(long, conflicts_with = "keep_data_because")]
    restore_data: bool,
    /// Leave data that the undone run rewrote as they are, because of REASON: the older packages may
    /// not be able to use them.
    #[arg(long, value_name = "REASON", value_parser = install::reason)]
    keep_data_because: Option<String>,
    /// Do not dump the data store NAME before, because of REASON.
    #[arg(long, value_name = "NAME=REASON", value_parser = install::elsewhere)]
    backed_up_elsewhere: Vec<(String, String)>,
    #[command(flatten)]
    unseal: UnsealArgs,
}

impl UndoArgs {
    fn choice(&self) -> DataChoice {
        DataChoice {
            restore: self.restore_data,
            keep_because: self.keep_data_because.clone(),
            elsewhere: self.backed_up_elsewhere.iter().cloned().collect(),
        }
    }
}

pub(super) fn undo(place: &Place, id: u64, lock_wait: u64, args: &UndoArgs) -> Result<u8, Failure> {
    require_root("undo a run")?;
    let lock = install::take_lock(place)?;
    install::refuse_open_run(place)?;
    reserve::free(&place.layout);
    sealing::settle(place, &lock);
    let runs = readable_after(place, id)?;
    let past = view::find(place, id)?;
    let unlocked = args.unseal.unlock(place, id)?;
    // What was sealed does not become plain for good by being undone.
    let recipients =
        seal::recorded(&place.layout, id).map_err(|why| sealing::unusable(id, &why))?;
    let recipients = args.unseal.seal.recipients(place)?.and(recipients);
    let plan = plan(place, &runs, &past, &args.choice())?;
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

/// Returns the runs, unless one after run `id` cannot be read that may have changed the host: what an
/// undo would find is not known then.
fn readable_after(place: &Place, id: u64) -> Result<Vec<PastRun>, Failure> {
    let past = view::past(place)?;
    let Some(one) = past.unreadable_after(id) else {
        return Ok(past.runs);
    };
    let what = format!("cannot go back past run {}; nothing was changed", one.id);
    let next = format!("go back to before that run first; {}", one.next);
    Err(Failure::new(Exit::Refused, what, one.why.clone(), next))
}

fn plan(
    place: &Place,
    runs: &[PastRun],
    past: &PastRun,
    choice: &DataChoice,
) -> Result<InstallPlan, Failure> {
    let id = past.id;
    let later: Vec<&PastRun> = history::effective(runs)
        .into_iter()
        .filter(|other| other.id > id)
        .collect();
    let components: Vec<_> = past.plan.known_components().cloned().collect();
    let packages: Vec<&str> = past.plan.changes().map(|change| change.package).collect();
    let mut inventory = Inventory::take_of(&place.host, &place.layout, &packages, &components)
        .map_err(|error| install::cannot_look(&error))?;
    let back = past.plan.changes().filter_map(|change| change.from);
    let back: BTreeSet<Sha256> = back.map(|rpm| rpm.sha256).collect();
    inventory.look_back(&place.host, &place.layout, &back);
    planning::plan(past, &later, &inventory, choice)
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
    args: &UndoArgs,
) -> Result<u8, Failure> {
    require_root("roll back")?;
    let runs = readable_after(place, id)?;
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
        args.unseal.unlock(place, *run)?;
    }
    for run in after.into_iter().rev() {
        let code = undo(place, run, lock_wait, args)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}
