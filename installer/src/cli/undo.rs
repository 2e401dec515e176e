//! `install undo ID` and `install revert`.

use super::{Place, install, render, require_root, stop_flag, view};
use crate::backup::blobs::Blobs;
use crate::failure::{Exit, Failure, chain};
use crate::history::{self, PastRun};
use crate::host::RpmMode;
use crate::inventory::Inventory;
use crate::plan::PlanKind;
use crate::preflight;
use crate::run::{Context, Undone, revert_open_run};
use crate::undo as planning;

pub(super) fn undo(place: &Place, id: u64, lock_wait: u64) -> Result<u8, Failure> {
    require_root("undo a run")?;
    let lock = install::take_lock(place)?;
    install::refuse_open_run(place)?;
    let run = view::find(place, id)?;
    let later: Vec<PastRun> = view::runs(place)?
        .into_iter()
        .filter(|other| other.id > id)
        .collect();
    let components: Vec<_> = run.plan.components().map(|c| c.component.clone()).collect();
    let packages: Vec<&str> = components.iter().map(|c| c.package.as_str()).collect();
    let inventory = Inventory::take_of(&place.host, &place.layout, &packages, &components)
        .map_err(|error| install::cannot_look(&error))?;
    let plan = planning::plan(&run, &later, &inventory)
        .map_err(|problems| install::refusal(&format!("run {id} cannot be undone"), &problems))?;
    eprint!("{}", render::plan(&plan));
    let undone = load(place, &run).map_err(|why| unusable(id, &why))?;
    install::execute_plan(place, &lock, &plan, Some(&undone), lock_wait, || {
        let mut problems = preflight::host(&place.host, &place.layout, &plan);
        preflight::rpm_tests(
            &place.host,
            &place.layout,
            &plan,
            RpmMode::GoBack,
            &mut problems,
        );
        problems
    })
}

fn load(place: &Place, run: &PastRun) -> Result<Undone, String> {
    let dir = place.layout.run(run.id).join("backup");
    Ok(Undone {
        before: history::read_document(&dir.join("before.json"))?,
        after: history::read_document(&dir.join("after.json"))?,
        blobs: Blobs::open(&dir.join("blobs")).map_err(|error| chain(&error))?,
    })
}

fn unusable(id: u64, why: &str) -> Failure {
    let next = "the backup is needed to go back; report this before you change anything";
    Failure::new(
        Exit::Refused,
        format!("the backup of run {id} is not usable"),
        why,
        next,
    )
}

pub(super) fn revert(place: &Place, lock_wait: u64) -> Result<u8, Failure> {
    require_root("revert a run")?;
    let lock = install::take_lock(place)?;
    let open = history::open_run(&place.layout).map_err(|why| install::internal(&why))?;
    let Some(open) = open else {
        let next = "to go back to before a finished run, use `install undo ID`";
        return Err(Failure::new(
            Exit::Usage,
            "nothing to revert",
            "no run is open",
            next,
        ));
    };
    // A signal that came in the middle would leave the host between two states: it is heard and
    // waited out.
    let _heard = stop_flag()?;
    let undone = match open.plan.kind {
        PlanKind::Undo { run } => history::load(&place.layout, run)
            .and_then(|run| run.map(|run| load(place, &run)).transpose())
            .map_err(|why| unusable(open.id, &why))?,
        PlanKind::Upgrade => None,
    };
    let context = Context {
        host: &place.host,
        layout: &place.layout,
        plan: &open.plan,
        run: open.id,
        listener: &render::event,
        stopped: &|| false,
        lock_wait_secs: lock_wait,
        undone: undone.as_ref(),
    };
    context.wait_for_rpm().map_err(|why| {
        Failure::new(
            Exit::Busy,
            "the host is busy",
            why,
            "wait until it has ended, then try again",
        )
    })?;
    let report = revert_open_run(&context, &lock).map_err(|why| {
        let next = "report this; the backup is in the run's directory below /var/lib/airgap-bundle";
        Failure::new(
            Exit::RevertFailed,
            "the open run cannot be reverted",
            why,
            next,
        )
    })?;
    Ok(install::finish(place, &report))
}
