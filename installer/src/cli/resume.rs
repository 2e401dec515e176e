//! `install resume`, also `install revert`: closes the open run. Unattended, it is the boot unit.

use super::refusal::internal;
use super::session::{LockWait, Session, require_root};
use super::{sealing, work};
use crate::failure::{Exit, Failure, chain};
use crate::history::{self, PastRun};
use crate::run::{self, reserve};

/// Close a run that was cut off, or whose revert failed: forward if it had reached its target, else
/// back to before it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Exit with 0 whichever way it went, as the boot unit needs it.
    #[arg(long, hide = true)]
    unattended: bool,
    #[command(flatten)]
    lock_wait: LockWait,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    require_root("close an open run")?;
    let lock = if args.unattended {
        session.wait_for_lock()?
    } else {
        session.take_lock()?
    };
    let open = history::open_run(&session.layout).map_err(|why| internal(&why))?;
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
    let code = work::in_unit(session, &lock, id, &plan, args.lock_wait, |context| {
        run::close_open_run(context, &lock).map_err(|error| not_closed(id, &chain(&error)))
    })?;
    // To systemd, a run that was put back is a success: trying again would change nothing.
    Ok(if args.unattended { 0 } else { code })
}

fn not_closed(run: u64, why: &str) -> Failure {
    let next = "`install resume` tries again; its directory below /var/lib/airgap-bundle has all";
    let what = format!("run {run} is not closed");
    Failure::new(Exit::RevertFailed, what, why, next)
}
