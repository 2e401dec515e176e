//! Where a run lives: in a unit of its own, followed from here; or, without systemd, right here.

use std::path::Path;

use super::{Place, install, is_set, render, require_root, sealing, shown, stop_flag, view};
use crate::backup::blobs::Blobs;
use crate::backup::seal::{self, Recipients};
use crate::document::{self, Document};
use crate::event::Event;
use crate::failure::{Exit, Failure, chain};
use crate::history::report::RunReport;
use crate::history::{self, PastRun, Retention};
use crate::journal::lock::{LockError, RunLock};
use crate::plan::InstallPlan;
use crate::problem::Problem;
use crate::run::{self, Context, Ended, OnStop, Undone};
use crate::run_unit::{self, Followed, Recorder};

/// What is to be executed.
pub(super) struct Request<'a> {
    /// The number that the run is to have.
    pub(super) run: u64,
    pub(super) plan: &'a InstallPlan,
    pub(super) undone: Option<&'a Undone>,
    pub(super) lock_wait_secs: u64,
    /// To whom its backup is sealed when it is closed.
    pub(super) recipients: &'a Recipients,
}

/// Executes a plan whose RPMs are in the store, after a last preflight under rpm's lock wait.
pub(super) fn start(
    place: &Place,
    lock: RunLock,
    request: &Request<'_>,
    check: impl FnOnce() -> Vec<Problem>,
) -> Result<u8, Failure> {
    let flag = stop_flag()?;
    let stopped = || is_set(&flag);
    let run = request.run;
    let context = Context {
        host: &place.host,
        layout: &place.layout,
        plan: request.plan,
        run,
        listener: &render::event,
        stopped: &stopped,
        on_stop: OnStop::Revert,
        lock_wait_secs: request.lock_wait_secs,
        undone: request.undone,
    };
    context.wait_for_rpm().map_err(|why| install::busy(&why))?;
    let problems = check();
    if !problems.is_empty() {
        let what = "the packages cannot be installed here; nothing was changed";
        return Err(install::refusal(what, &problems));
    }
    if stopped() {
        let next = "start it again when you are ready";
        let why = "a signal came before any change";
        return Err(Failure::new(Exit::Interrupted, "stopped", why, next));
    }
    run::prepare(&place.layout, run, request.plan)
        .and_then(|()| seal::record(&place.layout, run, request.recipients))
        .and_then(|()| run_unit::own_digest().map_err(|error| chain(&error)))
        .and_then(|own| history::record(&place.layout, run, own))
        .map_err(|why| install::internal(&why))?;
    if run_unit::is_possible(&place.host, &place.layout) {
        let installer = run_unit::arm(&place.host, &place.layout);
        let installer = installer.map_err(|why| install::internal(&why))?;
        // The unit takes the lock; whoever comes in between finds the host as it was.
        drop(lock);
        let wait = request.lock_wait_secs;
        run_unit::start_run(&place.host, &place.layout, &installer, run, wait)
            .map_err(|why| install::internal(&why))?;
        return follow(place, run, &stopped);
    }
    let ended = run::execute(&context, &lock).map_err(|why| install::internal(&why))?;
    Ok(end(place, &lock, ended))
}

/// Shows a run that lives in its unit.
fn follow(place: &Place, run: u64, stopped: &dyn Fn() -> bool) -> Result<u8, Failure> {
    let followed = run_unit::follow(&place.host, &place.layout, run, &render::event, stopped);
    match followed.map_err(|why| install::internal(&why))? {
        Followed::Closed(report) => Ok(finish(place, &report)),
        Followed::Detached => Err(Failure::new(
            Exit::Interrupted,
            format!("no longer following run {run}"),
            "the run itself goes on in its unit",
            "`install status --follow` shows it again; `journalctl -u airgap-bundle-run` has its log",
        )),
        Followed::Stalled if !has_begun(place, run) => {
            let why = "it could not take its reserve or start its journal; \
                       `journalctl -u airgap-bundle-run` has the reason";
            Err(not_begun(run, why, Exit::Refused))
        }
        Followed::Stalled => Err(Failure::new(
            Exit::RevertFailed,
            format!("run {run} is not closed"),
            "nobody works on it: its services are held, and it is taken up at the next boot",
            "take it up now: `install resume`",
        )),
    }
}

/// Whether a run that nobody works on may have changed anything, or may still do so.
fn has_begun(place: &Place, run: u64) -> bool {
    let has_journal = history::load(&place.layout, run).map_or(true, |run| run.is_some());
    // A systemd that does not answer may be one that is shutting down.
    has_journal || run_unit::is_starting(&place.host)
}

/// `install status --follow`.
pub(super) fn follow_open(place: &Place) -> Result<u8, Failure> {
    let flag = stop_flag()?;
    let last = view::runs(place)?.pop();
    if let Some(run) = last {
        return follow(place, run.id, &|| is_set(&flag));
    }
    let next = "`install BUNDLE` starts one";
    Err(Failure::new(
        Exit::Usage,
        "nothing to follow",
        "there was no run yet",
        next,
    ))
}

/// The hidden `install execute RUN`: the run unit's process.
pub(super) fn execute(place: &Place, id: u64, lock_wait_secs: u64) -> Result<u8, Failure> {
    require_root("execute a run")?;
    let lock = wait_for_lock(place)?;
    let plan: InstallPlan = document::read(&place.layout.run(id).plan())
        .map_err(|error| install::internal(&chain(&error)))?;
    let undone = undone(place, id, &plan)?;
    let undone = undone.as_ref();
    // Without a journal nothing was changed, and there is nothing to take up.
    let work = |context: &Context<'_>| {
        run::execute(context, &lock).map_err(|why| not_begun(id, &why, Exit::Internal))
    };
    let code = in_unit(place, &lock, id, &plan, undone, lock_wait_secs, work)?;
    // To systemd only a revert that failed has failed: then the recovery unit tries once more.
    Ok(if code == Exit::RevertFailed as u8 {
        code
    } else {
        0
    })
}

/// `install resume` and `install revert`: closes the open run. Unattended, it is the boot unit.
pub(super) fn resume(place: &Place, unattended: bool, lock_wait_secs: u64) -> Result<u8, Failure> {
    require_root("close an open run")?;
    let lock = if unattended {
        wait_for_lock(place)?
    } else {
        install::take_lock(place)?
    };
    let open = history::open_run(&place.layout)?;
    let Some(PastRun { id, plan, .. }) = open else {
        run::reserve::free(&place.layout);
        sealing::settle(place, &lock);
        disarm(place);
        if unattended {
            return Ok(0);
        }
        let next = "to go back to before a finished run, use `install undo ID`";
        return Err(Failure::new(
            Exit::Usage,
            "nothing to resume",
            "no run is open",
            next,
        ));
    };
    take_over(place, id)?;
    let undone = undone(place, id, &plan)?;
    let code = in_unit(
        place,
        &lock,
        id,
        &plan,
        undone.as_ref(),
        lock_wait_secs,
        |context| {
            let closed = run::close_open_run(context, &lock);
            closed.map_err(|why| not_closed(id, &why))
        },
    )?;
    // To systemd, a run that was put back is a success: trying again would change nothing.
    Ok(if unattended { 0 } else { code })
}

/// Makes an open run this installer's, also for the next boot. A newer installer's stays that one's: it
/// may have taken steps that this one does not know.
fn take_over(place: &Place, run: u64) -> Result<(), Failure> {
    history::refuse_newer(&place.layout, run)?;
    let record = || -> Result<(), String> {
        let own = run_unit::own_digest().map_err(|error| chain(&error))?;
        let is_taken_over = history::record(&place.layout, run, own)?;
        if is_taken_over && run_unit::is_possible(&place.host, &place.layout) {
            run_unit::arm(&place.host, &place.layout)?;
        }
        Ok(())
    };
    // A full disk must not keep the host from being put back.
    if let Err(why) = record() {
        render::warning(&format!(
            "the next boot may go on with run {run} by another installer: {why}"
        ));
    }
    Ok(())
}

/// Works on a run so that a follower sees it and a shutdown finds it held.
fn in_unit(
    place: &Place,
    lock: &RunLock,
    run: u64,
    plan: &InstallPlan,
    undone: Option<&Undone>,
    lock_wait_secs: u64,
    work: impl FnOnce(&Context<'_>) -> Result<Ended, Failure>,
) -> Result<u8, Failure> {
    let flag = stop_flag()?;
    let recorder = Recorder::open(&place.layout, run).ok();
    let listener = |event: &Event| {
        render::event(event);
        if let Some(recorder) = &recorder {
            recorder.record(event);
        }
    };
    let survives = run_unit::is_possible(&place.host, &place.layout);
    let context = Context {
        host: &place.host,
        layout: &place.layout,
        plan,
        run,
        listener: &listener,
        stopped: &|| is_set(&flag),
        on_stop: if survives {
            OnStop::Hold
        } else {
            OnStop::Revert
        },
        lock_wait_secs,
        undone,
    };
    Ok(end(place, lock, work(&context)?))
}

fn not_closed(run: u64, why: &str) -> Failure {
    let next = "`install resume` tries again; its directory below /var/lib/airgap-bundle has all";
    let what = format!("run {run} is not closed");
    Failure::new(Exit::RevertFailed, what, why, next)
}

fn not_begun(run: u64, why: &str, exit: Exit) -> Failure {
    let next = "make space, or remove what the reason names, then start it again";
    let what = format!("run {run} did not begin; nothing was changed");
    Failure::new(exit, what, why, next)
}

fn end(place: &Place, lock: &RunLock, ended: Ended) -> u8 {
    match ended {
        Ended::Reported(report) => {
            let is_closed = history::load(&place.layout, report.run)
                .is_ok_and(|run| run.is_some_and(|run| !run.is_open()));
            if is_closed {
                // Before the boot unit goes: cut off here, the next boot goes on with it.
                sealing::settle(place, lock);
                disarm(place);
                // Old things may wait for the next time; the outcome is what counts.
                if let Err(why) = history::prune(&place.layout, Retention::default()) {
                    render::warning(&format!("old runs could not be removed: {why}"));
                }
            }
            finish(place, &report)
        }
        // To systemd this is a clean end; the boot unit takes the run up.
        Ended::Held => 0,
    }
}

/// Removes what waits for an unfinished run. A trouble with it is told, and changes no outcome.
fn disarm(place: &Place) {
    if run_unit::is_possible(&place.host, &place.layout)
        && let Err(why) = run_unit::disarm(&place.host, &place.layout)
    {
        render::warning(&format!("the boot unit could not be removed: {why}"));
    }
}

/// Prints a report and returns its exit code.
fn finish(place: &Place, report: &RunReport) -> u8 {
    render::result(place, report, &render::report(report));
    report.outcome.exit().map_or(0, |exit| exit as u8)
}

/// Takes the lock, waiting a little: the process that handed over may not be gone yet.
fn wait_for_lock(place: &Place) -> Result<RunLock, Failure> {
    for _ in 0..100 {
        match RunLock::take(&place.layout) {
            Err(LockError::Busy { .. }) => {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            _ => break,
        }
    }
    install::take_lock(place)
}

fn read<D: Document>(path: &Path) -> Result<D, String> {
    document::read(path).map_err(|error| chain(&error))
}

/// Loads the states around the run that the plan of run `id` undoes.
pub(super) fn undone(
    place: &Place,
    id: u64,
    plan: &InstallPlan,
) -> Result<Option<Undone>, Failure> {
    let Some(run) = plan.kind.earlier_run() else {
        return Ok(None);
    };
    let dir = seal::backup_of_undone(&place.layout, id, run);
    let load = || -> Result<Undone, String> {
        Ok(Undone {
            before: read(&dir.before())?,
            // A run that was reverted has none, and is not undone either.
            after: match dir.after() {
                path if path.exists() => read(&path)?,
                _ => read(&dir.before())?,
            },
            blobs: Blobs::open(&dir.blobs()).map_err(|error| chain(&error))?,
            baseline: read(&dir.baseline())?,
            plan: read(&place.layout.run(run).plan())?,
            dumps: run::dumps_of(&dir)?,
            dumps_dir: dir.dumps().files,
        })
    };
    load().map(Some).map_err(|why| {
        let what = format!("the backup in {} is not usable", shown(&dir));
        let next = "the backup is needed to go back; report this before you change anything";
        Failure::new(Exit::Refused, what, why, next)
    })
}
