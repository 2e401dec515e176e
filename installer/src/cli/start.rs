//! Starts a run in a unit of its own and follows it, or executes it in this process where there is
//! no systemd.

use std::collections::BTreeMap;

use super::live::Live;
use super::question::{self, Answer};
use super::refusal::{busy, internal, refusal};
use super::session::{Entered, Session};
use super::{render, stop_signal, work};
use crate::backup::seal::{self, Recipients};
use crate::event::Event;
use crate::failure::{Exit, Failure, chain};
use crate::history::{self, Installer};
use crate::journal::HostDisk;
use crate::journal::lock::Turn;
use crate::plan::InstallPlan;
use crate::problem::Problem;
use crate::run::{self, Context, OnStop, StepError};
use crate::run_unit::{self, Followed};

/// A run that is to be started.
pub(super) struct Request<'a> {
    /// The number of the new run.
    pub(super) run: u64,
    pub(super) plan: &'a InstallPlan,
    pub(super) lock_wait_secs: u64,
    /// The recipients of its backup.
    pub(super) recipients: &'a Recipients,
    /// The answer to the question that is asked before a run that cannot be taken back fully.
    pub(super) answer: Answer,
}

/// Executes a plan whose RPMs are in the store. The last preflight waits for rpm's lock.
pub(super) fn start(
    session: &Session,
    entered: Entered<'_>,
    request: &Request<'_>,
    check: impl FnOnce() -> Vec<Problem>,
) -> Result<u8, Failure> {
    // Unless the run is handed over, its unsealed copy is removed when this function ends.
    let Entered {
        lock,
        unsealed: _unsealed,
    } = entered;
    let run = request.run;
    let undone = work::undone(session, run, request.plan)?;
    let stopped = stop_signal()?;
    let context = Context {
        host: &session.host,
        stores: &session.stores(),
        disk: &HostDisk,
        layout: &session.layout,
        plan: request.plan,
        run,
        listener: &render::event,
        stopped: &stopped,
        on_stop: OnStop::Revert,
        lock_wait_secs: request.lock_wait_secs,
        health_budgets: &BTreeMap::new(),
        undone: undone.as_ref(),
    };
    match context.wait_for_rpm() {
        Ok(()) => {}
        Err(StepError::Stopped) => return Err(stopped_early()),
        Err(error @ StepError::RpmBusy { .. }) => return Err(busy(&chain(&error))),
        Err(other) => return Err(internal(&chain(&other))),
    }
    let problems = check();
    if !problems.is_empty() {
        let what = "the run was refused; nothing was changed";
        return Err(refusal(what, &problems));
    }
    question::ask(request.plan, request.answer, &stopped)?;
    if stopped() {
        return Err(stopped_early());
    }
    run::prepare(&session.layout, run, request.plan)
        .map_err(|error| chain(&error))
        .and_then(|()| seal::record(&session.layout, run, request.recipients))
        .and_then(|()| run_unit::own_digest().map_err(|error| chain(&error)))
        .and_then(|own| {
            let record = Installer::own(own).record(&session.layout, run);
            record.map_err(|error| chain(&error))
        })
        .map_err(|why| internal(&why))?;
    if run_unit::is_possible(&session.host, &session.layout) {
        let installer = run_unit::arm(&session.host, &session.layout, request.plan);
        let installer = installer.map_err(|error| internal(&chain(&error)))?;
        let (host, layout) = (&session.host, &session.layout);
        // The unit takes the lock, and no other command does before it.
        let turn = Turn::wait(layout).map_err(|error| internal(&chain(&error)))?;
        drop(lock);
        let wait = request.lock_wait_secs;
        run_unit::start_run(host, layout, &installer, run, wait)
            .map_err(|error| internal(&chain(&error)))?;
        run_unit::await_begin(host, layout, run);
        drop(turn);
        return follow(session, run, &stopped);
    }
    let ended = run::execute(&context, &lock).map_err(|error| internal(&chain(&error)))?;
    Ok(work::end(session, &lock, ended))
}

fn stopped_early() -> Failure {
    let next = "start it again when you are ready";
    let why = "a signal came before any change";
    Failure::new(Exit::Interrupted, "stopped", why, next)
}

/// Shows the progress of a run that works in its unit.
pub(super) fn follow(
    session: &Session,
    run: u64,
    stopped: &dyn Fn() -> bool,
) -> Result<u8, Failure> {
    let live = Live::new(&session.host);
    let (listener, tick) = (|event: &Event| live.event(event), || live.tick());
    let (host, layout) = (&session.host, &session.layout);
    let followed = run_unit::follow(host, layout, run, &listener, &tick, stopped);
    live.end();
    match followed.map_err(|why| internal(&why))? {
        Followed::Closed(report) => Ok(work::finish(session, &report)),
        Followed::Detached => Err(Failure::new(
            Exit::Interrupted,
            format!("no longer following run {run}"),
            "the run itself goes on in its unit",
            "`install status --follow` shows it again; `journalctl -u airgap-bundle-run` has its log",
        )),
        Followed::Stalled if !has_begun(session, run) => {
            let why = "it could not take its reserve or start its journal; \
                       `journalctl -u airgap-bundle-run` has the reason";
            Err(work::not_begun(run, why, Exit::Refused))
        }
        Followed::Stalled => Err(Failure::new(
            Exit::RevertFailed,
            format!("run {run} is not closed"),
            "no process works on it now; the recovery unit tries again by itself, also after a boot",
            format!(
                "continue it now: `{} resume`",
                history::program(&session.layout, run)
            ),
        )),
    }
}

/// Whether a run without a process may have changed the host, or may still change it.
fn has_begun(session: &Session, run: u64) -> bool {
    let has_journal = history::load(&session.layout, run).map_or(true, |run| run.is_some());
    // If systemd does not answer, it may be shutting down.
    has_journal || run_unit::is_starting(&session.host)
}
