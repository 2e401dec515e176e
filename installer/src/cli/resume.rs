//! `install resume`, also `install revert`: closes the open run. Unattended, it is the boot unit.

use super::consent::HealthBudgets;
use super::session::{LockWait, Session, require_root};
use super::work::{self, Waits};
use super::{render, sealing};
use crate::failure::{Exit, Failure, chain};
use crate::history::{self, Installer, PastRun};
use crate::plan::InstallPlan;
use crate::run::{self, reserve};
use crate::run_unit;

/// Close a run that was cut off, or whose revert failed: forward if it had reached its target, else
/// back to before it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Try again until the run is closed, and exit with 0 then, whichever way it went.
    #[arg(long, hide = true)]
    unattended: bool,
    #[command(flatten)]
    lock_wait: LockWait,
    #[command(flatten)]
    health: HealthBudgets,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    require_root("close an open run")?;
    if args.unattended && run_unit::is_possible(&session.host, &session.layout) {
        // A recovery does not give up: whatever ends this process, another one follows.
        if let Err(error) = run_unit::keep_trying(&session.host, &session.layout) {
            render::warning(&format!(
                "nothing will try again before the next boot: {}",
                chain(&error)
            ));
        }
    }
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
    take_over(session, id, &plan)?;
    let health_budgets = args.health.budgets();
    let waits = Waits {
        lock_secs: args.lock_wait.secs(),
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
        let closed = run::close_open_run(context, &lock);
        closed.map_err(|error| not_closed(session, id, &chain(&error)))
    });
    if args.unattended && !work::is_closed(session, id) {
        let program = history::program(&session.layout, id);
        run_unit::tell_open(&session.layout, id, &program);
    }
    let code = code?;
    if args.unattended {
        return Ok(work::for_systemd(session, id, code));
    }
    Ok(code)
}

/// Makes this installer continue an open run, also at the next boot. A run of a newer installer
/// stays with that installer, because it may have taken steps that this one does not know.
fn take_over(session: &Session, run: u64, plan: &InstallPlan) -> Result<(), Failure> {
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
            run_unit::arm(&session.host, layout, plan).map_err(|error| chain(&error))?;
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

fn not_closed(session: &Session, run: u64, why: &str) -> Failure {
    let program = history::program(&session.layout, run);
    let next = format!(
        "`{program} resume` tries again; `{program} status` has the commands for a person, and \
         `{program} close {run} --as-it-is REASON` ends the run"
    );
    let what = format!("run {run} is not closed");
    Failure::new(Exit::RevertFailed, what, why, next)
}
