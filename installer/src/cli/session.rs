//! Where a command works, and which locks and copies it holds while it changes the host.

use std::path::PathBuf;

use clap::Args;

use super::refusal::{busy, cannot_store};
use super::{Common, Output, render, sealing, shown};
use crate::backup::seal::{self, Recipients, Unlocked};
use crate::failure::{Exit, Failure, chain};
use crate::history::{self, History, PastRun};
use crate::host::linux::LinuxHost;
use crate::journal::lock::{LockError, RunLock};
use crate::layout::Layout;
use crate::plan::InstallPlan;
use crate::preflight::{self, Backup, Looked};
use crate::problem::Problem;
use crate::run::{self, reserve};
use crate::secure_fs;
use crate::site_file::{Choices, SiteFileError};
use crate::stores::HostStores;

/// How long a command waits for rpm.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LockWait {
    /// Longest wait for rpm's lock, in seconds [default: 300].
    #[arg(long, value_name = "SECS")]
    lock_wait: Option<u64>,
}

/// The usual wait for rpm's lock.
const LOCK_WAIT_SECS: u64 = 300;

impl LockWait {
    /// Returns the wait of the command line. A recovery asks nothing of the site's file, which may be
    /// what is wrong.
    pub(super) fn secs(self) -> u64 {
        self.lock_wait.unwrap_or(LOCK_WAIT_SECS)
    }

    /// Returns the wait of the command line or the site.
    pub(super) fn standing(self, session: &Session) -> Result<u64, Failure> {
        let chosen = session.choices()?.number("lock-wait", self.lock_wait);
        Ok(chosen.unwrap_or(LOCK_WAIT_SECS))
    }
}

/// Where a command works, and how it prints its results.
pub(super) struct Session {
    pub(super) layout: Layout,
    pub(super) host: LinuxHost,
    pub(super) output: Output,
    pub(super) parts_dirs: Vec<PathBuf>,
}

/// The host's lock, and the backup that was unsealed under it: dropped first, while the lock holds.
pub(super) struct Entered<'a> {
    pub(super) unsealed: Unsealed<'a>,
    pub(super) lock: RunLock,
}

/// The backup that was unsealed for a run. Dropping this removes the copy unless the run was handed
/// over.
pub(super) struct Unsealed<'a> {
    session: &'a Session,
    run: Option<u64>,
}

impl Session {
    pub(super) fn new(common: Common) -> Self {
        let layout = Layout::new(&common.root);
        Self {
            host: LinuxHost::new(&layout),
            layout,
            output: common.output,
            parts_dirs: common.parts_dir,
        }
    }

    /// Enters a host for a run: checks for root, takes the lock, refuses an open run and removes
    /// leftovers.
    pub(super) fn enter(&self, purpose: &str) -> Result<Entered<'_>, Failure> {
        let entered = self.lock(purpose)?;
        entered.make_ready()?;
        Ok(entered)
    }

    /// Reads the choices that hold without a flag.
    pub(super) fn choices(&self) -> Result<Choices, Failure> {
        Choices::read(&self.layout).map_err(|error| {
            let what = match &error {
                SiteFileError::Value { key, .. } if key.starts_with("INSTALL_") => {
                    "a variable of the environment does not count; nothing was changed".to_owned()
                }
                _ => format!(
                    "{} does not count; nothing was changed",
                    shown(&self.layout.site_file())
                ),
            };
            let next = "correct it (docs/site-file.md has the keys and their values), or remove it. The \
                        file must be root's and writable by root alone";
            Failure::because(Exit::Refused, what, &error, next)
        })
    }

    /// Takes the lock as root.
    pub(super) fn lock(&self, purpose: &str) -> Result<Entered<'_>, Failure> {
        require_root(purpose)?;
        let lock = self.take_lock()?;
        let unsealed = Unsealed {
            session: self,
            run: None,
        };
        Ok(Entered { unsealed, lock })
    }

    /// Takes the lock unless a run is being handed over to its unit.
    pub(super) fn take_lock(&self) -> Result<RunLock, Failure> {
        RunLock::take_in_turn(&self.layout).map_err(|error| not_taken(&error))
    }

    /// Takes the lock for the process of a run, and waits for a moment: the process that handed over
    /// may still hold it.
    pub(super) fn wait_for_lock(&self) -> Result<RunLock, Failure> {
        for _ in 0..100 {
            match RunLock::take(&self.layout) {
                Err(LockError::Busy { .. }) => {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                _ => break,
            }
        }
        RunLock::take(&self.layout).map_err(|error| not_taken(&error))
    }

    /// Returns the data stores with the means to reach them on this host.
    pub(super) fn stores(&self) -> HostStores<'_> {
        HostStores::new(&self.host, &self.layout)
    }

    /// Checks the host for a plan whose backup is sealed to `recipients`.
    pub(super) fn preflight(&self, plan: &InstallPlan, recipients: &Recipients) -> Looked {
        let backup = Backup::of(recipients);
        preflight::host(&self.host, &self.layout, plan, backup)
    }

    /// Removes what a rehearsal that was killed has left.
    fn remove_rehearsal(&self) {
        if let Err(error) = secure_fs::remove_tree(&self.layout.rehearsal()) {
            render::warning(&chain(&error));
        }
    }

    /// Asks the data stores of a plan, as far as this caller can.
    pub(super) fn ask_stores(&self, plan: &mut InstallPlan) -> Vec<Problem> {
        if self.layout.is_live() && !rustix::process::geteuid().is_root() {
            let note = "only root can ask the data stores who else uses them: not asked";
            plan.notes
                .extend((!plan.stores.is_empty()).then(|| note.to_owned()));
            return Vec::new();
        }
        preflight::ask_stores(&self.host, &self.stores(), &self.layout, plan)
    }

    /// Notes in a plan how long each component is down, as far as this caller can know it.
    pub(super) fn forecast_downtime(&self, plan: &mut InstallPlan) {
        if !self.layout.is_live() || !rustix::process::geteuid().is_root() || plan.is_empty() {
            return;
        }
        let (host, stores) = (&self.host, &self.stores());
        let lines = preflight::forecast_downtime(host, stores, &self.layout, plan);
        plan.notes.extend(lines);
    }

    /// Returns the runs that this installer can read, oldest first.
    pub(super) fn runs(&self) -> Result<Vec<PastRun>, Failure> {
        Ok(self.past()?.runs)
    }

    /// Returns all runs.
    pub(super) fn past(&self) -> Result<History, Failure> {
        history::all(&self.layout).map_err(unreadable)
    }

    /// Returns the runs. It is an error if a run after `id` cannot be read and may have changed the
    /// host, because the state that an undo would find is then unknown.
    pub(super) fn runs_readable_after(&self, id: u64) -> Result<Vec<PastRun>, Failure> {
        let past = self.past()?;
        let Some(one) = past.unreadable_after(id) else {
            return Ok(past.runs);
        };
        let what = format!("cannot go back past run {}; nothing was changed", one.id);
        let next = format!("go back to before that run first; {}", one.next);
        Err(Failure::new(Exit::Refused, what, one.why.clone(), next))
    }

    /// Returns one run; the failure lists those that exist.
    pub(super) fn run(&self, id: u64) -> Result<PastRun, Failure> {
        let History {
            mut runs,
            unreadable,
        } = self.past()?;
        if let Some(one) = unreadable.into_iter().find(|one| one.id == id) {
            let what = format!("run {id} cannot be read");
            return Err(Failure::new(Exit::Refused, what, one.why, one.next));
        }
        if let Some(at) = runs.iter().position(|run| run.id == id) {
            return Ok(runs.remove(at));
        }
        let ids: Vec<String> = runs.iter().map(|run| run.id.to_string()).collect();
        let why = if ids.is_empty() {
            "there was no run yet".to_owned()
        } else {
            format!("there are {}", ids.join(", "))
        };
        let what = format!("there is no run {id}");
        Err(Failure::new(
            Exit::Usage,
            what,
            why,
            "see `install history`",
        ))
    }
}

fn not_taken(error: &LockError) -> Failure {
    match error {
        LockError::Busy { .. } => busy(&chain(error)),
        LockError::File(_) => cannot_store(error),
    }
}

impl Entered<'_> {
    /// Refuses an open run, and removes what is left of runs that were killed before they began.
    pub(super) fn make_ready(&self) -> Result<(), Failure> {
        let session = self.unsealed.session;
        if let Some(open) = history::open_run(&session.layout)? {
            return Err(still_open(session, open.id));
        }
        reserve::free(&session.layout);
        session.remove_rehearsal();
        sealing::settle(session, &self.lock);
        Ok(())
    }

    /// Writes an unlocked backup where run `run` looks for it.
    pub(super) fn unseal(&mut self, run: u64, unlocked: Option<Unlocked>) -> Result<(), Failure> {
        let Some(unlocked) = unlocked else {
            return Ok(());
        };
        self.unsealed.run = Some(run);
        seal::unseal(&self.unsealed.session.layout, run, unlocked)
            .map_err(|why| sealing::unusable(run, &why))
    }
}

impl Drop for Unsealed<'_> {
    fn drop(&mut self) {
        let layout = &self.session.layout;
        // A run that was handed over needs its copy until it is closed.
        if let Some(run) = self.run.filter(|run| !run::is_prepared(layout, *run))
            && let Err(why) = seal::discard_unsealed(layout, run)
        {
            render::warning(&why);
        }
    }
}

/// Refuses an ordinary user before anything is read.
pub(super) fn require_root(purpose: &str) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        format!("cannot {purpose}"),
        "this needs root, and the caller is not",
        "run it again as root; `install plan` and `install verify` work for every user",
    ))
}

/// Refuses a run beside an open one on which no process works.
pub(super) fn still_open(session: &Session, id: u64) -> Failure {
    let program = history::program(&session.layout, id);
    Failure::new(
        Exit::Refused,
        format!("run {id} is still open: it was cut off, or its revert failed"),
        "its services may be held, and the host may be between two states",
        format!("close it first: `{program} resume`; `{program} status` shows it"),
    )
}

pub(super) fn unreadable(why: String) -> Failure {
    let next = "run it as root; if it was root, put right what the reason names, or report this";
    Failure::new(Exit::Internal, "cannot read the history", why, next)
}
