//! `install resume`, also `install revert`: closes the open run. Unattended, it is the boot unit.

use super::consent::HealthBudgets;
use super::session::{LockWait, Session, require_root};
use super::work::{self, Waits};
use super::{render, sealing};
use crate::failure::{Exit, Failure, chain};
use crate::history::{self, Installer, PastRun};
use crate::run::{self, reserve};
use crate::run_unit;

/// Close a run that was cut off, or whose revert failed: forward if it had reached its target, else
/// back to before it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Exit with 0 whichever way it went, as the boot unit needs it.
    #[arg(long, hide = true)]
    unattended: bool,
    #[command(flatten)]
    lock_wait: LockWait,
    #[command(flatten)]
    health: HealthBudgets,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    require_root("close an open run")?;
    let lock = if args.unattended {
        session.wait_for_lock()?
    } else {
        session.take_lock()?
    };
    let open = history::open_run(&session.layout)?;
    let Some(PastRun { id, plan, .. }) = open else {
        reserve::free(&session.layout);
        sealing::settle(session, &lock);
        work::disarm(session);
        if args.unattended {
            return Ok(0);
        }
        let next = "to go back to before a finished run, use `install undo ID`";
        let why = "no run is open";
        return Err(Failure::new(Exit::Usage, "nothing to resume", why, next));
    };
    take_over(session, id)?;
    let health_budgets = args.health.budgets();
    let waits = Waits {
        lock: args.lock_wait,
        health_budgets: &health_budgets,
    };
    let known = |name: &&String| !plan.components().any(|c| c.component.name == **name);
    if let Some(name) = health_budgets.keys().find(known) {
        let next = "`install status` shows the run; name one of its components";
        let why = format!("run {id} has no component {name}");
        return Err(Failure::new(
            Exit::Usage,
            "cannot set --health-budget",
            why,
            next,
        ));
    }
    let code = work::in_unit(session, &lock, id, &plan, waits, None, |context| {
        run::close_open_run(context, &lock).map_err(|error| not_closed(id, &chain(&error)))
    })?;
    // A reverted run is a success for systemd: trying again would change nothing.
    Ok(if args.unattended { 0 } else { code })
}

/// Makes this installer continue an open run, also at the next boot. A run of a newer installer
/// stays with that installer, because it may have taken steps that this one does not know.
fn take_over(session: &Session, run: u64) -> Result<(), Failure> {
    let layout = &session.layout;
    history::refuse_newer(layout, run)?;
    let take = || -> Result<(), String> {
        let own = Installer::own(run_unit::own_digest().map_err(|error| chain(&error))?);
        if own.is_recorded(layout, run) {
            return Ok(());
        }
        // The copy of the program may need the room.
        reserve::free(layout);
        // First the boot unit, then the record: cut off in between, the next boot starts this
        // program, which finds another one's record and goes on.
        if run_unit::is_possible(&session.host, layout) {
            run_unit::arm(&session.host, layout).map_err(|error| chain(&error))?;
        }
        own.record(layout, run).map_err(|error| chain(&error))
    };
    // A full disk must not keep the host from being put back.
    if let Err(why) = take() {
        render::warning(&format!(
            "if run {run} is cut off again, the next boot resumes it with the installer that began \
             it: {why}"
        ));
    }
    Ok(())
}

fn not_closed(run: u64, why: &str) -> Failure {
    let next = "`install resume` tries again; the run's directory below /var/lib/airgap-bundle holds \
                everything that it needs";
    let what = format!("run {run} is not closed");
    Failure::new(Exit::RevertFailed, what, why, next)
}
