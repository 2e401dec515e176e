//! Executes a prepared or open run in this process, and cleans up after its end.

use std::collections::BTreeMap;
use std::path::Path;

use super::session::Session;
use super::{after_run, render, sealing, shown, stop_signal};
use crate::backup::blobs::Blobs;
use crate::backup::seal;
use crate::document::{self, Document};
use crate::event::Event;
use crate::failure::{Exit, Failure, chain};
use crate::history;
use crate::history::report::RunReport;
use crate::journal::HostDisk;
use crate::journal::lock::RunLock;
use crate::plan::InstallPlan;
use crate::run::{self, Context, Ended, OnStop, Undone};
use crate::run_unit::{self, Recorder};

/// How long a run waits for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits<'a> {
    pub(super) lock_secs: u64,
    /// For the health of components, before the plan's times.
    pub(super) health_budgets: &'a BTreeMap<String, u64>,
}

/// Executes a run so that followers see its progress and a shutdown waits for it. Only the way
/// forward of an undo needs the undone run.
pub(super) fn in_unit(
    session: &Session,
    lock: &RunLock,
    run: u64,
    plan: &InstallPlan,
    waits: Waits<'_>,
    undone: Option<&Undone>,
    work: impl FnOnce(&Context<'_>) -> Result<Ended, Failure>,
) -> Result<u8, Failure> {
    let stopped = stop_signal()?;
    let recorder = Recorder::open(&session.layout, run).ok();
    let listener = |event: &Event| {
        render::event(event);
        if let Some(recorder) = &recorder {
            recorder.record(event);
        }
    };
    let survives = run_unit::is_possible(&session.host, &session.layout);
    let context = Context {
        host: &session.host,
        stores: &session.stores(),
        disk: &HostDisk,
        layout: &session.layout,
        plan,
        run,
        listener: &listener,
        stopped: &stopped,
        on_stop: if survives {
            OnStop::Hold
        } else {
            OnStop::Revert
        },
        lock_wait_secs: waits.lock_secs,
        health_budgets: waits.health_budgets,
        undone,
    };
    Ok(end(session, lock, work(&context)?))
}

/// Whether the report of a run closes it.
pub(super) fn is_closed(session: &Session, run: u64) -> bool {
    let run = history::load(&session.layout, run);
    run.is_ok_and(|run| run.is_some_and(|run| !run.is_open()))
}

/// Returns the exit code for systemd: 0 for a run that is closed, however it ended, or that waits for
/// the next boot.
pub(super) fn for_systemd(session: &Session, run: u64, code: u8) -> u8 {
    if is_closed(session, run) { 0 } else { code }
}

/// Cleans up after a run that ended, and returns its exit code.
pub(super) fn end(session: &Session, lock: &RunLock, ended: Ended) -> u8 {
    match ended {
        Ended::Reported(report) => {
            let is_closed = is_closed(session, report.run);
            if is_closed {
                // This comes before the boot unit is removed: if it is interrupted, the next boot
                // finishes it.
                sealing::settle(session, lock);
                disarm(session);
                // Old runs can be removed next time; the outcome matters more.
                after_run::prune(session);
            }
            let code = finish(session, &report);
            // Whatever the outcome is, an open run needs another try.
            if is_closed {
                code
            } else {
                Exit::RevertFailed as u8
            }
        }
        // For systemd this is a clean end; the boot unit continues the run.
        Ended::Held => 0,
    }
}

/// Prints a report and returns its exit code.
pub(super) fn finish(session: &Session, report: &RunReport) -> u8 {
    let text = render::report(report) + &after_run::how_to_undo(session, report);
    render::result(session, report, &text);
    report.exit().map_or(0, |exit| exit as u8)
}

/// Removes the boot unit, which waits for an unfinished run. A failure is only a warning.
pub(super) fn disarm(session: &Session) {
    if run_unit::is_possible(&session.host, &session.layout)
        && let Err(error) =
            run_unit::disarm(&session.host, &session.layout, after_run::copies(session))
    {
        render::warning(&format!(
            "the boot unit could not be removed: {}",
            chain(&error)
        ));
    }
}

fn read<D: Document>(path: &Path) -> Result<D, String> {
    document::read(path).map_err(|error| chain(&error))
}

/// Loads the states around the run that run `id` undoes.
pub(super) fn undone(
    session: &Session,
    id: u64,
    plan: &InstallPlan,
) -> Result<Option<Undone>, Failure> {
    let Some(run) = plan.kind.earlier_run() else {
        return Ok(None);
    };
    let dir = seal::backup_of_undone(&session.layout, id, run);
    let load = || -> Result<Undone, String> {
        let dumps = run::dumps_of(&dir).map_err(|error| chain(&error))?;
        Ok(Undone {
            before: read(&dir.before())?,
            // A reverted run has no such state, and cannot be undone either.
            after: match dir.after() {
                path if path.exists() => read(&path)?,
                _ => read(&dir.before())?,
            },
            blobs: Blobs::open(&dir.blobs()).map_err(|error| chain(&error))?,
            baseline: read(&dir.baseline())?,
            plan: read(&session.layout.run(run).plan())?,
            dumps_dir: dumps.files(&dir.dumps().files).to_owned(),
            dumps,
        })
    };
    load().map(Some).map_err(|why| {
        let what = format!("the backup in {} is not usable", shown(&dir));
        let next = "the backup is needed to go back; report this before you change anything";
        Failure::new(Exit::Refused, what, why, next)
    })
}

pub(super) fn not_begun(run: u64, why: &str, exit: Exit) -> Failure {
    let next = "make space, or remove what the reason names, then start it again";
    let what = format!("run {run} did not begin; nothing was changed");
    Failure::new(exit, what, why, next)
}
