//! The state of a run in memory: what it saved of the host, how far it came, and what it will
//! report.

use std::collections::BTreeMap;
use std::fmt;

use super::error::StepError;
use super::vendor_defaults::Defaults;
use super::{Baseline, Context};
use crate::backup::changes::FileChange;
use crate::backup::snapshot::Snapshot;
use crate::document;
use crate::history::report::{ComponentHealth, NotWell};
use crate::journal::recover::Reached;
use crate::journal::step::{GroupStep, Step};
use crate::stores::Discovery;

/// The state of a run in memory.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) saved: Saved,
    pub(super) reached: Reached,
    /// Whether the target state is reached and recorded.
    pub(super) is_committed: bool,
    /// Main processes of services that were found healthy, by unit.
    pub(super) processes: BTreeMap<String, u32>,
    /// When the main process of each held service was last started, as seen at its hold.
    pub(super) held: BTreeMap<String, u64>,
    /// Whether this run has handed anything to rpm: scriptlets may have done anything since.
    pub(super) rpm_may_have_run: bool,
    /// The access to the stores, as it was found before a hold.
    pub(super) discovery: Option<Discovery>,
    /// Whether a revert has put the saved files back.
    pub(super) files_are_back: bool,
    /// Components that a revert found running or not held, although an earlier try held them.
    pub(super) disturbed: Vec<String>,
    /// Stores whose data an earlier try failed to put back.
    pub(super) failed_before: Vec<String>,
    /// The step of the way forward that was begun last. For the wait for health, when the release
    /// before it began: the service speaks from then on.
    pub(super) at: Option<(Step, u64)>,
    pub(super) findings: Findings,
}

/// The saved state of the host before the run.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) baseline: Baseline,
    before: Option<Snapshot>,
    /// In an upgrade: the vendor's defaults.
    pub(super) defaults: Defaults,
}

/// What the report will contain.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) notes: Vec<Note>,
    pub(super) health: Vec<ComponentHealth>,
    /// What is ill, and was not before, in a run that cannot be taken back any more.
    pub(super) not_well: Vec<NotWell>,
    /// For an upgrade: the changes of files that have vendor defaults.
    pub(super) config_changes: Vec<FileChange>,
}

impl State {
    /// Notes that a step of the way forward begins.
    pub(super) fn begin(&mut self, step: &Step, now: u64) {
        let since = match (&self.at, step) {
            (Some((_, since)), Step::Group(GroupStep::Health, _)) => *since,
            _ => now,
        };
        self.at = Some((step.clone(), since));
    }
}

/// A note for a person. Stored reports hold its text.
#[derive(Debug)]
pub(super) enum Note {
    /// A person has to act.
    Attention(String),
    /// A package stays that should have been removed, and why.
    Kept(String, Option<String>),
    /// Anything else.
    Info(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attention(text) => write!(f, "ATTENTION: {text}"),
            Self::Kept(package, Some(why)) => write!(f, "{package} stays installed: {why}"),
            Self::Kept(package, None) => write!(f, "{package} stays installed"),
            Self::Info(text) => f.write_str(text),
        }
    }
}

impl Saved {
    /// Loads what an interrupted run saved.
    pub(super) fn load(context: &Context<'_>) -> Result<Self, StepError> {
        let dir = context.dir().backup();
        Ok(Self {
            baseline: document::read(&dir.baseline())?,
            before: Some(document::read(&dir.before())?),
            defaults: Defaults::default(),
        })
    }

    /// Returns the saved files.
    pub(super) fn before(&self) -> Result<&Snapshot, StepError> {
        self.before
            .as_ref()
            .ok_or_else(|| StepError::Missing("there is no backup".to_owned()))
    }

    /// Keeps another state of the files, in memory and in the run's directory.
    pub(super) fn keep(
        &mut self,
        context: &Context<'_>,
        before: Snapshot,
    ) -> Result<(), StepError> {
        let dir = context.dir().backup();
        super::write_document(&dir.before(), &before)?;
        super::write_document(&dir.baseline(), &self.baseline)?;
        self.before = Some(before);
        Ok(())
    }
}
