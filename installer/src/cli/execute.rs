//! `install execute RUN`: the process of the run unit, which executes a prepared run.

use std::collections::BTreeMap;

use super::refusal::internal;
use super::session::{LockWait, Session, require_root};
use super::work::{self, Waits};
use crate::document;
use crate::failure::{Exit, Failure, chain};
use crate::plan::InstallPlan;
use crate::run;

/// Execute a prepared run; the run unit's process.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run.
    id: u64,
    #[command(flatten)]
    lock_wait: LockWait,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let id = args.id;
    require_root("execute a run")?;
    let lock = session.wait_for_lock()?;
    let plan: InstallPlan =
        document::read(&session.layout.run(id).plan()).map_err(|error| internal(&chain(&error)))?;
    let undone = work::undone(session, id, &plan)?;
    let undone = undone.as_ref();
    let waits = Waits {
        lock_secs: args.lock_wait.secs(),
        health_budgets: &BTreeMap::new(),
    };
    let code = work::in_unit(session, &lock, id, &plan, waits, undone, |context| {
        // Without a journal nothing was changed, and there is nothing to resume.
        run::execute(context, &lock)
            .map_err(|error| work::not_begun(id, &chain(&error), Exit::Internal))
    })?;
    // For systemd only an open run is a failure: then the recovery unit goes on with it.
    Ok(work::for_systemd(session, id, code))
}
