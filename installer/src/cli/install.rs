//! `install bundle.tar.zst`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::execute::{self, Request};
use super::sealing::{self, SealArgs};
use super::{Place, render, require_root, trust, view};
use crate::bundle::OpenBundle;
use crate::failure::{Exit, Failure, chain};
use crate::host::HostError;
use crate::inventory::Inventory;
use crate::journal::lock::{LockError, RunLock};
use crate::plan::{self, Consent, InstallPlan};
use crate::preflight::Backup;
use crate::preflight::extras;
use crate::problem::Problem;
use crate::run::reserve;
use crate::{history, preflight, secure_fs};

#[derive(Debug, Args)]
pub(super) struct InstallArgs {
    /// The bundle to install, or the NAME.parts.json of a split one.
    bundle: Option<PathBuf>,
    /// Longest wait for rpm's lock, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECS")]
    lock_wait: u64,
    #[command(flatten)]
    pub(super) seal: SealArgs,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// What is done only if somebody asks for it in so many words.
#[derive(Debug, Args)]
pub(super) struct ConsentArgs {
    /// Accept a bundle or packages that are older than what was installed here. REASON is written into
    /// the plan, the report and the system's log.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    allow_downgrade_because: Option<String>,
    /// Go on although plugins or the like would not load into the target version. REASON is written into
    /// the plan, the report and the system's log.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    ignore_plugins_because: Option<String>,
    /// Do not dump the data store NAME: its data are safe without us, because of REASON, which is
    /// written into the plan, the report and the system's log. A revert cannot bring its data back.
    #[arg(long, value_name = "NAME=REASON", value_parser = elsewhere)]
    backed_up_elsewhere: Vec<(String, String)>,
    /// Longest time for the dump of one data store, in seconds [default: 3600].
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    dump_time_limit: Option<u64>,
}

/// A store and a reason.
pub(super) fn elsewhere(text: &str) -> Result<(String, String), String> {
    let (name, why) = text.split_once('=').ok_or("write NAME=REASON")?;
    Ok((name.trim().to_owned(), reason(why)?))
}

/// A reason that somebody can read a year later.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() < 10 || text.chars().count() > 500 || text.chars().any(char::is_control)
    {
        return Err("write one line of 10 to 500 characters".to_owned());
    }
    Ok(text.to_owned())
}

impl ConsentArgs {
    /// Plans the upgrade by an opened bundle. Nothing is changed.
    pub(super) fn plan(&self, place: &Place, open: &OpenBundle) -> Result<InstallPlan, Failure> {
        let consent = Consent {
            downgrade_because: self.allow_downgrade_because.clone(),
            extras_ignored_because: self.ignore_plugins_because.clone(),
            elsewhere: self.backed_up_elsewhere.iter().cloned().collect(),
            dump_limit_secs: self.dump_time_limit,
        };
        let mut inventory = Inventory::for_bundle(&place.host, &place.layout, open.metadata())
            .map_err(|error| cannot_look(&error))?;
        if consent.allows_downgrade() {
            // An ordinary user may not look there; then the plan says that there is no way back.
            inventory.stored = history::stored(&place.layout).unwrap_or_default();
        }
        plan::plan(open.metadata(), &inventory, &consent)
            .map_err(|problems| refusal("this bundle cannot be installed here", &problems))
    }
}

impl InstallArgs {
    pub(super) fn bundle(&self) -> Option<&Path> {
        self.bundle.as_deref()
    }
}

pub(super) fn run(place: &Place, args: &InstallArgs) -> Result<u8, Failure> {
    let Some(path) = &args.bundle else {
        let next = "name one: `install bundle.tar.zst`; `install --help` shows the commands";
        return Err(Failure::new(
            Exit::Usage,
            "nothing to install",
            "no bundle was named",
            next,
        ));
    };
    require_root("install a bundle")?;
    let recipients = args.seal.recipients(place)?;
    let open = view::open(place, path)?;
    let lock = take_lock(place)?;
    trust::remember(place, open.metadata().learned())?;
    refuse_open_run(place)?;
    // What a run kept back that was killed before it began.
    reserve::free(&place.layout);
    sealing::settle(place, &lock);
    let plan = args.consent.plan(place, &open)?;
    eprint!("{}", render::plan(&plan));
    if plan.is_empty() {
        render::result(place, &plan, "Nothing to do.");
        return Ok(0);
    }
    let problems = preflight::host(&place.host, &place.layout, &plan, Backup::of(&recipients));
    if !problems.is_empty() {
        return Err(refusal(
            "the host is not ready; nothing was changed",
            &problems,
        ));
    }
    secure_fs::ensure_guarded(&place.layout.store(), 0o700)
        .map_err(|error| cannot_store(&error))?;
    let staged = open
        .stage(&place.layout, &plan.payload())
        .map_err(|error| view::refused(path, &error))?;
    let request = Request {
        run: history::next_id(&place.layout).map_err(|why| internal(&why))?,
        plan: &plan,
        undone: None,
        lock_wait_secs: args.lock_wait,
        recipients: &recipients,
    };
    execute::start(place, lock, &request, || {
        let mut problems = preflight::packages(&place.host, &place.layout, &plan, &staged);
        // A program of packages that were found wrong is not run.
        if problems.is_empty() {
            let tried = extras::try_all(&place.layout, &plan, &staged);
            tried.notes.iter().for_each(|note| render::warning(note));
            problems.extend(tried.problems);
        }
        problems
    })
}

pub(super) fn take_lock(place: &Place) -> Result<RunLock, Failure> {
    RunLock::take(&place.layout).map_err(|error| match &error {
        LockError::Busy { .. } => busy(&chain(&error)),
        LockError::File(_) => cannot_store(&error),
    })
}

pub(super) fn busy(why: &str) -> Failure {
    let next = "wait until it has ended, then start this again; nothing was changed";
    Failure::new(Exit::Busy, "the host is busy", why, next)
}

pub(super) fn refuse_open_run(place: &Place) -> Result<(), Failure> {
    let Some(open) = history::open_run(&place.layout)? else {
        return Ok(());
    };
    Err(Failure::new(
        Exit::Refused,
        format!(
            "run {} is still open: it was cut off, or its revert failed",
            open.id
        ),
        "its services may be held, and the host may be between two states",
        "close it first: `install resume`; `install status` shows it",
    ))
}

fn cannot_store(error: &dyn std::error::Error) -> Failure {
    let next = "check owner, mode and free space of /var/lib/airgap-bundle";
    Failure::because(Exit::Refused, "cannot use the state directory", error, next)
}

pub(super) fn cannot_look(error: &HostError) -> Failure {
    let next = "make `rpm -qa` and `systemctl show` work on this host first";
    Failure::because(
        Exit::Refused,
        "cannot take the inventory of this host",
        error,
        next,
    )
}

pub(super) fn internal(why: &str) -> Failure {
    let next = "nothing was changed; check /var/lib/airgap-bundle, then report this";
    Failure::new(Exit::Internal, "the run could not be started", why, next)
}

pub(super) fn refusal(what: &str, problems: &[Problem]) -> Failure {
    let (why, next) = render::problems(problems);
    Failure::new(Exit::Refused, what, why, next)
}
