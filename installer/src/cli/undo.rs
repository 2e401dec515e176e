//! `install undo RUN`: plans a run that restores the packages and configuration from before `RUN`,
//! and starts it.

use super::consent::{HealthBudgets, RestoreShared, elsewhere, reason};
use super::examine::Examined;
use super::plan::show;
use super::question::Answer;
use super::refusal::{cannot_look, internal, refusal};
use super::render;
use super::sealing::UnsealArgs;
use super::session::{LockWait, Session};
use super::start::{Request, start};
use crate::failure::Failure;
use crate::history::{self, PastRun};
use crate::inventory::Inventory;
use crate::plan::undo::{self as planning, DataChoice};
use crate::plan::{Earlier, InstallPlan};
use crate::preflight::{self, site};
use crate::site_file::Choices;

/// Go back to before a run: packages and configuration, as a new run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `install history` lists it.
    id: u64,
    /// Show what this would do, check everything, and change nothing.
    #[arg(long)]
    plan: bool,
    /// With --plan: exit with 10 if nothing speaks against it.
    #[arg(long, requires = "plan")]
    check: bool,
    #[command(flatten)]
    undo: UndoArgs,
}

/// What becomes of data and sealed backups.
#[derive(Debug, clap::Args)]
pub(super) struct UndoArgs {
    #[command(flatten)]
    lock_wait: LockWait,
    /// Put back the dumps of data that the undone run rewrote. What was written since is lost to the
    /// product; it is dumped first, and kept.
    #[arg(long, conflicts_with = "keep_data_because")]
    restore_data: bool,
    /// Leave data that the undone run rewrote as they are, because of REASON: the older packages may
    /// not be able to use them.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    keep_data_because: Option<String>,
    /// Do not dump the data store NAME before, because of REASON.
    #[arg(long, value_name = "NAME=REASON", value_parser = elsewhere)]
    backed_up_elsewhere: Vec<(String, String)>,
    #[command(flatten)]
    shared: RestoreShared,
    #[command(flatten)]
    health: HealthBudgets,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    pub(super) unseal: UnsealArgs,
}

impl UndoArgs {
    fn choice(&self, choices: &mut Choices) -> DataChoice {
        DataChoice {
            restore: self.restore_data,
            keep_because: self.keep_data_because.clone(),
            elsewhere: choices.reasons("backed-up-elsewhere", &self.backed_up_elsewhere),
            stores: self.shared.standing(choices),
        }
    }

    fn planned(&self, session: &Session, past: &PastRun) -> Result<InstallPlan, Failure> {
        let mut choices = session.choices()?;
        let mut plan = plan(session, past, &self.choice(&mut choices))?;
        plan.set_health_budgets(&self.health.standing(&mut choices));
        plan.dump_dir = choices.path("dump-dir", None);
        plan.keep_choices(choices.chosen());
        Ok(plan)
    }
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    if args.plan {
        preview(session, args)
    } else {
        undo(session, args.id, &args.undo)
    }
}

/// Shows what an undo would do, and what speaks against it.
fn preview(session: &Session, args: &Args) -> Result<u8, Failure> {
    let _entered = session.enter("plan an undo")?;
    let past = session.run(args.id)?;
    // An identity that does not open the backup is found out now.
    args.undo.unseal.unlock(session, args.id)?;
    let recipients = args.undo.unseal.recipients(session, args.id)?;
    let plan = args.undo.planned(session, &past)?;
    show(
        session,
        &Examined::of_undo(session, plan, &recipients),
        args.check,
    )
}

pub(super) fn undo(session: &Session, id: u64, args: &UndoArgs) -> Result<u8, Failure> {
    let mut entered = session.enter("undo a run")?;
    let past = session.run(id)?;
    let unlocked = args.unseal.unlock(session, id)?;
    let recipients = args.unseal.recipients(session, id)?;
    let mut plan = args.planned(session, &past)?;
    let mut against = site::check(&session.host, &session.layout, &mut plan);
    against.extend(session.ask_stores(&mut plan));
    session.forecast_downtime(&mut plan);
    render::announce(&plan);
    let run = history::next_id(&session.layout).map_err(|why| internal(&why))?;
    entered.unseal(run, unlocked)?;
    let request = Request {
        run,
        plan: &plan,
        lock_wait_secs: args.lock_wait.standing(session)?,
        recipients: &recipients,
        answer: args.answer,
    };
    start(session, entered, &request, || {
        let mut problems = session.preflight(&plan, &recipients).problems;
        problems.extend(against);
        preflight::rpm_tests(&session.host, &session.layout, &plan, &mut problems);
        problems
    })
}

fn plan(session: &Session, past: &PastRun, choice: &DataChoice) -> Result<InstallPlan, Failure> {
    let runs = session.runs_readable_after(past.id)?;
    let id = past.id;
    let later: Vec<Earlier<'_>> = history::effective(&runs)
        .into_iter()
        .filter(|other| other.id > id)
        .map(PastRun::earlier)
        .collect();
    let inventory = Inventory::take(&session.host, &session.layout, &past.plan.to_undo())
        .map_err(|error| cannot_look(&error))?;
    planning::plan(past.earlier(), &later, &inventory, choice)
        .map_err(|problems| refusal(&format!("run {id} cannot be undone"), &problems))
}
