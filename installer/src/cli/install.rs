//! `install BUNDLE`: verifies, plans, checks and stages an upgrade, and starts its run.

use std::path::{Path, PathBuf};

use super::consent::ConsentArgs;
use super::examine::{self, Examined};
use super::question::Answer;
use super::refusal::{cannot_store, internal};
use super::sealing::SealArgs;
use super::session::{Entered, LockWait, Session, require_root};
use super::start::{Request, start};
use super::{bundle, mistyped, render, trust};
use crate::backup::seal::Recipients;
use crate::bundle::{BundleError, OpenBundle};
use crate::failure::{Exit, Failure};
use crate::plan::InstallPlan;
use crate::{history, secure_fs};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle to install, or the NAME.parts.json of a split one.
    bundle: Option<PathBuf>,
    #[command(flatten)]
    lock_wait: LockWait,
    #[command(flatten)]
    pub(super) seal: SealArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    answer: Answer,
}

impl Args {
    pub(super) fn bundle(&self) -> Option<&Path> {
        self.bundle.as_deref()
    }
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    let Some(path) = &args.bundle else {
        let next = "name one: `install bundle.tar.zst`; `install --help` shows the commands";
        let why = "no bundle was named";
        return Err(Failure::new(Exit::Usage, "nothing to install", why, next));
    };
    mistyped::refuse(path)?;
    let purpose = "install a bundle";
    require_root(purpose)?;
    let recipients = args.seal.recipients(session)?;
    let open = bundle::open(session, path)?;
    let entered = session.lock(purpose)?;
    // Also while a run is open: a revoked key stays revoked.
    trust::remember(session, open.metadata().learned())?;
    entered.make_ready()?;
    let mut examined = Examined::draft(session, &args.consent, &open)?;
    if let Some(plan) = examined
        .plan
        .as_ref()
        .filter(|_| examined.has_nothing_to_do())
    {
        render::announce(plan);
        render::result(session, plan, "Nothing to do.");
        return Ok(0);
    }
    examined.look_at_host(session, &recipients);
    if let Some(plan) = examined.plan.as_ref().filter(|_| examined.is_whole) {
        render::announce(plan);
    }
    let no_plan = || internal("there is no plan, and nothing speaks against it");
    if !examined.problems.is_empty() {
        // One who has to come back wants to know everything at once.
        examined.look_at_packages(session, path, open);
        let refused = examined.refused("the run was refused");
        return Err(refused.unwrap_or_else(no_plan));
    }
    let plan = examined.plan.ok_or_else(no_plan)?;
    begin(session, args, path, open, &plan, entered, &recipients)
}

/// Stages the payload, checks the packages, and starts the run.
fn begin(
    session: &Session,
    args: &Args,
    path: &Path,
    open: OpenBundle,
    plan: &InstallPlan,
    entered: Entered<'_>,
    recipients: &Recipients,
) -> Result<u8, Failure> {
    secure_fs::ensure_guarded(&session.layout.store(), 0o700)
        .map_err(|error| cannot_store(&error))?;
    let staged = open
        .stage(&session.layout, &plan.payload())
        .map_err(|error| match error {
            BundleError::File(error) => cannot_store(&error),
            error => bundle::refused(path, &error),
        })?;
    let request = Request {
        run: history::next_id(&session.layout).map_err(|why| internal(&why))?,
        plan,
        lock_wait_secs: args.lock_wait.standing(session)?,
        recipients,
        answer: args.answer,
    };
    start(session, entered, &request, || {
        let (problems, notes) = examine::packages(session, plan, &staged);
        for note in &notes {
            render::warning(note);
        }
        problems
    })
}
