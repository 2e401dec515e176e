//! A run: the plan executed step by step, each step journalled around its effect, and the revert.

mod backup;
pub(crate) mod baseline;
mod check;
mod config;
mod execute;
mod extras;
mod health;
mod hold;
mod merge_edit;
mod needed;
mod packages_back;
mod packages_forward;
pub mod reserve;
mod revert;
mod stores;
mod transaction;
mod vendor_defaults;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::backup::blobs::Blobs;
use crate::backup::snapshot::Snapshot;
use crate::document::{self, Document};
use crate::event::{Event, Listener};
use crate::failure::chain;
use crate::history::report::RunReport;
use crate::host::Host;
use crate::journal::step::Step;
use crate::journal::{Journal, JournalError, Phase};
use crate::layout::{Layout, RunDir};
use crate::plan::InstallPlan;
use crate::secure_fs::FsError;
use crate::stores::record::Dumps;

pub use baseline::Baseline;
pub use execute::{execute, is_prepared, prepare};
pub(crate) use packages_forward::mode;
pub use revert::close_open_run;
pub use stores::dumps_of;

/// What a run works with.
pub struct Context<'a> {
    /// The host.
    pub host: &'a dyn Host,
    /// Where things are.
    pub layout: &'a Layout,
    /// What to do.
    pub plan: &'a InstallPlan,
    /// The run's number.
    pub run: u64,
    /// Who listens.
    pub listener: Listener<'a>,
    /// Whether someone asked the run to stop.
    pub stopped: &'a dyn Fn() -> bool,
    /// What a run does that was asked to stop.
    pub on_stop: OnStop,
    /// Longest wait for rpm's lock, seconds.
    pub lock_wait_secs: u64,
    /// For an undo: the states before and after the undone run.
    pub undone: Option<&'a Undone>,
}

/// What a run does that was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It goes back: there is nobody to take it up later.
    Revert,
    /// It ends where it is, held; the boot unit takes it up. For shutdowns.
    Hold,
}

/// How an execution ended.
#[derive(Debug)]
pub enum Ended {
    /// The run came to its end, whichever.
    Reported(Box<RunReport>),
    /// The run was told to stop, and waits, held, to be taken up.
    Held,
}

/// The configuration around the run that is undone.
#[derive(Debug)]
pub struct Undone {
    /// Before it.
    pub before: Snapshot,
    /// Right after it.
    pub after: Snapshot,
    /// The contents of both.
    pub blobs: Blobs,
    /// What else was there before it.
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

/// Removes every drop-in of ours by hand.
pub(crate) const FREE_BY_HAND: &str =
    "rm -f /etc/systemd/system/*.service.d/zz-airgap-bundle.conf && systemctl daemon-reload";

/// Why a step did not work, in words for the report.
pub(crate) type StepResult = Result<String, String>;

impl Context<'_> {
    /// Whether the units of the host can be asked and changed.
    pub(crate) fn has_units(&self, baseline: &Baseline) -> bool {
        !baseline.units.is_empty() && self.layout.is_live()
    }

    /// Runs one step between its journal records.
    pub(crate) fn step(
        &self,
        journal: &mut Journal<'_>,
        step: &Step,
        effect: impl FnOnce() -> StepResult,
    ) -> StepResult {
        let id = step.to_string();
        (self.listener)(&Event::Started {
            step: id.clone(),
            title: step.title(),
        });
        let unwritten = |error: JournalError| chain(&error);
        journal
            .append(step, Phase::Intent, self.host.now(), "")
            .map_err(unwritten)?;
        let result = effect();
        match &result {
            Ok(note) => {
                journal
                    .append(step, Phase::Done, self.host.now(), note)
                    .map_err(unwritten)?;
                (self.listener)(&Event::Done {
                    step: id,
                    note: note.clone(),
                });
            }
            Err(why) => {
                (self.listener)(&Event::Failed {
                    step: id,
                    why: why.clone(),
                });
                // The failure is what counts; a journal that cannot say so changes nothing in it.
                let _ = journal.append(step, Phase::Failed, self.host.now(), why);
            }
        }
        result
    }

    /// Writes a document into the run's directory.
    pub(crate) fn write_document<D: Document>(
        &self,
        path: &Path,
        document: &D,
    ) -> Result<(), String> {
        document::write(path, document).map_err(|error| chain(&error))
    }

    /// Runs one step of a way back. The journal is kept as well as it can be: a full disk must not
    /// keep the host from being put back.
    pub(crate) fn step_back(
        &self,
        journal: &mut Journal<'_>,
        step: &Step,
        effect: impl FnOnce() -> StepResult,
    ) -> StepResult {
        let id = step.to_string();
        (self.listener)(&Event::Started {
            step: id.clone(),
            title: step.title(),
        });
        let _ = journal.append(step, Phase::Intent, self.host.now(), "");
        let result = effect();
        let (phase, text, event) = match &result {
            Ok(note) => (
                Phase::Done,
                note,
                Event::Done {
                    step: id,
                    note: note.clone(),
                },
            ),
            Err(why) => (
                Phase::Failed,
                why,
                Event::Failed {
                    step: id,
                    why: why.clone(),
                },
            ),
        };
        let _ = journal.append(step, phase, self.host.now(), text);
        (self.listener)(&event);
        result
    }

    pub(crate) fn dir(&self) -> RunDir {
        self.layout.run(self.run)
    }

    pub(crate) fn blobs(&self) -> Result<Blobs, FsError> {
        Blobs::open(&self.dir().backup().blobs())
    }
}

/// Lines of `rpm -V`, by package.
pub(crate) type VerifyLines = BTreeMap<String, Vec<String>>;
