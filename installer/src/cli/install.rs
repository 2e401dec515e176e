//! `install BUNDLE`: verifies, plans, checks and stages an upgrade, and starts its run.

use std::path::{Path, PathBuf};

use super::consent::ConsentArgs;
use super::refusal::{cannot_store, internal, refusal};
use super::sealing::SealArgs;
use super::session::{LockWait, Session, require_root};
use super::start::{Request, start};
use super::{bundle, render, trust};
use crate::bundle::BundleError;
use crate::failure::{Exit, Failure};
use crate::preflight::{self, extras};
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
    let purpose = "install a bundle";
    require_root(purpose)?;
    let recipients = args.seal.recipients(session)?;
    let open = bundle::open(session, path)?;
    let entered = session.lock(purpose)?;
    // Also while a run is open: a revoked key stays revoked.
    trust::remember(session, open.metadata().learned())?;
    entered.make_ready()?;
    let mut plan = args.consent.plan(session, &open)?;
    let mut asked = session.ask_health(&mut plan);
    asked.extend(session.ask_stores(&mut plan));
    session.forecast_downtime(&mut plan);
    let plan = plan;
    render::announce(&plan);
    if plan.is_empty() {
        render::result(session, &plan, "Nothing to do.");
        return Ok(0);
    }
    let mut problems = session.preflight(&plan, &recipients);
    problems.extend(asked);
    if !problems.is_empty() {
        let what = "the host is not ready; nothing was changed";
        return Err(refusal(what, &problems));
    }
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
        plan: &plan,
        lock_wait_secs: args.lock_wait.standing(session)?,
        recipients: &recipients,
    };
    start(session, entered, &request, || {
        let mut problems = preflight::packages(&session.host, &session.layout, &plan, &staged);
        // Programs of packages that failed a check are not executed.
        if problems.is_empty() {
            let tried = extras::try_all(&session.layout, &plan, &staged);
            tried.notes.iter().for_each(|note| render::warning(note));
            problems.extend(tried.problems);
        }
        problems
    })
}
