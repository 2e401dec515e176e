//! `install close RUN`: ends an open run as the host is, because a person says so.

use std::collections::BTreeMap;

use super::consent::reason;
use super::session::{Session, require_root};
use super::{sealing, work};
use crate::document;
use crate::failure::{Exit, Failure, chain};
use crate::history;
use crate::host::{Host as _, cmd};
use crate::journal::HostDisk;
use crate::plan::InstallPlan;
use crate::run::{self, AsItIs, Context, OnStop};

/// End an open run without putting anything back: remove its holds and its boot unit, and record what
/// differs from before.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `install status` names it.
    run: u64,
    /// Why nothing is put back. REASON is written into the report and the system's log.
    #[arg(long, value_name = "REASON", value_parser = reason, required = true)]
    as_it_is: String,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    require_root("close a run")?;
    let id = args.run;
    let lock = session.take_lock()?;
    refuse_closed(session, id)?;
    let layout = &session.layout;
    let plan: Option<InstallPlan> = document::read(&layout.run(id).plan()).ok();
    if let Ok(Some(holder)) = session.host.rpm_lock_holder() {
        let next = "wait until it has ended, then start this again; nothing was changed";
        return Err(Failure::new(Exit::Busy, "rpm is at work", holder, next));
    }
    let stores = session.stores();
    let no_budgets = BTreeMap::new();
    let context = plan.as_ref().map(|plan| Context {
        host: &session.host,
        stores: &stores,
        disk: &HostDisk,
        layout,
        plan,
        run: id,
        listener: &|_| (),
        stopped: &|| false,
        on_stop: OnStop::Revert,
        lock_wait_secs: 0,
        health_budgets: &no_budgets,
        undone: None,
    });
    let asked = AsItIs {
        host: &session.host,
        layout,
        run: id,
        reason: &args.as_it_is,
        context: context.as_ref(),
    };
    let report = run::close_as_it_is(&asked, &lock).map_err(|error| {
        let next = history::advice(layout, id);
        Failure::new(
            Exit::Refused,
            format!("run {id} is not closed"),
            chain(&error),
            next,
        )
    })?;
    log(id, &args.as_it_is);
    sealing::settle(session, &lock);
    work::disarm(session);
    work::finish(session, &report);
    Ok(0)
}

/// Refuses a run that is not open.
fn refuse_closed(session: &Session, id: u64) -> Result<(), Failure> {
    let past = session.past()?;
    let is_open = past.runs.iter().any(|run| run.id == id && run.is_open());
    if is_open || past.unreadable_open().is_some_and(|run| run.id == id) {
        return Ok(());
    }
    let program = history::program(&session.layout, id);
    let is_there =
        past.runs.iter().any(|run| run.id == id) || past.unreadable.iter().any(|run| run.id == id);
    let what = format!("run {id} is not open");
    if is_there {
        let next = format!(
            "nothing is to be done; `{program} status` shows the open run, if there is one"
        );
        return Err(Failure::new(Exit::Refused, what, "it is closed", next));
    }
    let next = format!("`{program} status` names the open run, if there is one");
    Err(Failure::new(
        Exit::Usage,
        what,
        "there is no such run",
        next,
    ))
}

/// Writes the reason into the system's log, where there is one.
fn log(run: u64, reason: &str) {
    if cmd::is_available("logger") {
        let text = format!("run {run} was closed as it is, because: {reason}");
        let args = ["-p", "daemon.warning", "-t", "airgap-bundle", "--", &text];
        // The report has the reason, too.
        let _ = cmd::query("logger", &args, std::time::Duration::from_secs(10));
    }
}
