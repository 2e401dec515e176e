//! A run: executes the plan step by step, each step journalled around its effect, and reverts on
//! failure. `execute` goes forward, `revert` goes back, and the other modules hold the effects of
//! the steps.

mod as_it_is;
mod backup;
mod baseline;
mod by_hand;
mod check;
mod config;
mod dumps;
pub mod error;
mod execute;
mod extras;
mod files_back;
mod health;
mod hold;
mod idle;
mod kinds;
mod left;
mod merge_edit;
mod mounted;
mod needed;
mod new_services;
mod outcome;
mod packages_back;
mod packages_forward;
mod rehearsal;
mod report;
pub mod reserve;
mod revert;
mod scope_back;
mod state;
mod stores;
mod successors;
mod transaction;
mod unfinished;
mod unit_log;
mod untouched;
mod vendor_defaults;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::backup::blobs::Blobs;
use crate::backup::snapshot::Snapshot;
use crate::document::{self, Document};
use crate::event::{Event, Listener, Place};
use crate::failure::chain;
use crate::history::report::RunReport;
use crate::host::Host;
use crate::journal::step::{RevertStep, Step};
use crate::journal::{Disk, Journal, Phase};
use crate::layout::{Layout, RunDir};
use crate::plan::InstallPlan;
use crate::secure_fs::FsError;
use crate::stores::Stores;
use crate::stores::record::Dumps;

pub use crate::plan::Baseline;
pub use as_it_is::{AsItIs, close_as_it_is};
pub use by_hand::{OpenRun, look_at_open_run};
pub use error::StepError;
pub use execute::{execute, is_prepared, prepare};
pub use stores::dumps_of;
pub use unfinished::close_open_run;

/// What a run works with.
pub struct Context<'a> {
    /// The host.
    pub host: &'a dyn Host,
    /// Its data stores.
    pub stores: &'a dyn Stores,
    /// Where its journal and reserves are written.
    pub disk: &'a dyn Disk,
    /// The paths of the installer.
    pub layout: &'a Layout,
    /// What the run will do.
    pub plan: &'a InstallPlan,
    /// The run's number.
    pub run: u64,
    /// Receives the events of the run.
    pub listener: Listener<'a>,
    /// Whether the run was asked to stop.
    pub stopped: &'a dyn Fn() -> bool,
    /// What the run does when it is asked to stop.
    pub on_stop: OnStop,
    /// Longest wait for rpm's lock, seconds.
    pub lock_wait_secs: u64,
    /// How long the health of a component is waited for, by name, seconds; it comes before the
    /// plan's times.
    pub health_budgets: &'a BTreeMap<String, u64>,
    /// For an undo: the states before and after the undone run.
    pub undone: Option<&'a Undone>,
}

/// What a run does when it is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It reverts: nothing would resume it later.
    Revert,
    /// It pauses where it is, with services held, and the boot unit resumes it. For shutdowns.
    Hold,
}

/// How an execution ended.
#[derive(Debug)]
pub enum Ended {
    /// The run is over, with any outcome.
    Reported(Box<RunReport>),
    /// The run was asked to stop and stays held, to be resumed.
    Held,
}

/// The state around the run that is undone.
#[derive(Debug)]
pub struct Undone {
    /// Before it.
    pub before: Snapshot,
    /// Right after it.
    pub after: Snapshot,
    /// The contents of both.
    pub blobs: Blobs,
    /// The rest of the state before it.
    pub baseline: Baseline,
    /// What it planned.
    pub plan: InstallPlan,
    /// What it dumped.
    pub dumps: Dumps,
    /// Where the dumps are.
    pub dumps_dir: PathBuf,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// The command that removes all our drop-ins by hand.
pub(crate) const FREE_BY_HAND: &str = "rm -f /etc/systemd/system/*.service.d/zz-airgap-bundle.conf \
     /run/systemd/system/*.service.d/zz-airgap-bundle.conf && systemctl daemon-reload";

/// Whether a step may run without its journal records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// No. On the way forward a recovery must know of every effect.
    Must,
    /// Yes. A full disk must not prevent a revert.
    IfPossible,
    /// Without that of its end. No later try would know otherwise that services were released.
    Intent,
}

/// What the journal records of a step that worked, or why it failed.
pub(crate) type StepResult = Result<String, StepError>;

impl Context<'_> {
    /// Whether the host's units can be queried and changed.
    pub(crate) fn has_units(&self, baseline: &Baseline) -> bool {
        !baseline.units.is_empty() && self.layout.is_live()
    }

    /// Returns the place of a step among those of the plan or of a revert.
    fn place(&self, step: &Step) -> Option<Place> {
        let (at, of) = match step {
            Step::Revert(step) => {
                let at = RevertStep::ALL.iter().position(|known| known == step);
                (at, RevertStep::ALL.len())
            }
            step => {
                let all = Step::of(self.plan);
                (all.iter().position(|known| known == step), all.len())
            }
        };
        at.map(|at| Place { number: at + 1, of })
    }

    /// Runs one step between its journal records, and reports it to the listener.
    pub(crate) fn step(
        &self,
        journal: &mut Journal<'_>,
        step: &Step,
        keep: Keep,
        effect: impl FnOnce() -> StepResult,
    ) -> StepResult {
        let id = step.to_string();
        (self.listener)(&Event::Started {
            step: id.clone(),
            title: step.title(),
            place: self.place(step),
        });
        let mut record = |phase, text: &str, keep| {
            let written = journal.append(step, phase, self.host.now(), text);
            written.or_else(|error| match keep {
                Keep::Must => Err(error),
                Keep::Intent if phase == Phase::Intent => Err(error),
                Keep::Intent | Keep::IfPossible => Ok(()),
            })
        };
        record(Phase::Intent, "", keep)?;
        let result = effect();
        let event = match &result {
            Ok(note) => {
                record(Phase::Done, note, keep)?;
                let note = note.clone();
                Event::Done { step: id, note }
            }
            Err(error) => {
                let why = chain(error);
                // The failure counts, even if the journal cannot record it.
                record(Phase::Failed, &why, Keep::IfPossible)?;
                Event::Failed { step: id, why }
            }
        };
        (self.listener)(&event);
        result
    }

    /// Returns the states around the undone run.
    fn undone(&self) -> Result<&Undone, StepError> {
        let missing = || StepError::Missing("the undone run has no backup".to_owned());
        self.undone.ok_or_else(missing)
    }

    pub(crate) fn dir(&self) -> RunDir {
        self.layout.run(self.run)
    }

    pub(crate) fn blobs(&self) -> Result<Blobs, FsError> {
        Blobs::open(&self.dir().backup().blobs())
    }
}

/// Writes a document into a run's directory.
fn write_document<D: Document>(path: &Path, document: &D) -> Result<(), StepError> {
    Ok(document::write(path, document)?)
}
