//! The report of a run: what was requested, what happened, and the state of the host.

use manifests::nevra::Nevra;
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::failure::Exit;
use crate::plan::{InstallPlan, PlanKind, PlannedRpm, StoreTerms};
use crate::site_file::Chosen;

/// The type a stored report names.
pub const REPORT_TYPE: &str = "airgap-bundle/report/1";

/// The report, as stored beside the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Always [`REPORT_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The run.
    pub run: u64,
    /// An upgrade, an undo or a restore.
    pub kind: PlanKind,
    /// The product's title for people.
    pub title: String,
    /// Start, seconds since 1970.
    pub started: u64,
    /// End, seconds since 1970.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The changes that were made or planned.
    pub changes: Vec<Change>,
    /// The health of the components that were changed.
    pub health: Vec<ComponentHealth>,
    /// What is not well at the end. If the run is done, an empty list means that all that was asked
    /// is healthy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_well: Vec<NotWell>,
    /// Notes for the operator.
    pub notes: Vec<String>,
    /// What happened to the data stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataReport>,
    /// The recipients of the sealed backup; empty if the backup stays plain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup_recipients: Vec<String>,
    /// What the operator chose, and where each choice came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<Chosen>,
    /// What the system's log has of services that were not well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unit_logs: Vec<UnitLog>,
}

impl Document for RunReport {
    const TYPE: &'static str = REPORT_TYPE;
}

/// What the system's log has of a service, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLog {
    /// The service.
    pub unit: String,
    /// The last lines, oldest first.
    pub lines: Vec<String>,
}

/// The type that the stored logs name.
pub const UNIT_LOGS_TYPE: &str = "airgap-bundle/unit-logs/1";

/// The logs of services as a run keeps them from the failure to the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitLogs {
    /// Always [`UNIT_LOGS_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The logs.
    pub logs: Vec<UnitLog>,
}

impl Document for UnitLogs {
    const TYPE: &'static str = UNIT_LOGS_TYPE;
}

/// A data store of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataReport {
    /// Its name.
    pub name: String,
    /// Where it is, without secrets.
    pub endpoint: String,
    /// The dump, if there is one.
    pub dump: Option<DumpReport>,
    /// Why it was not dumped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// Who else used it, and what was decided about it.
    #[serde(default, skip_serializing_if = "StoreTerms::is_empty")]
    pub terms: StoreTerms,
}

/// A dump that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpReport {
    /// When it was begun, seconds since 1970.
    pub taken: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of keys, tables or collections that the dump was shown to contain.
    pub items: Option<u64>,
    /// How many bytes the server kept for these data when they were dumped, if it reported that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_bytes: Option<u64>,
    /// How long the dump and its proof took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// The health of one component at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentHealth {
    /// The component's title for people.
    pub title: String,
    /// Its health.
    pub state: HealthState,
}

/// The health of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// It answered correctly, several times in a row.
    Healthy,
    /// It is unhealthy in the same way as before the run.
    AsBefore {
        /// What is wrong.
        why: String,
    },
    /// It was not checked.
    NotChecked {
        /// Why.
        why: String,
    },
}

/// A component that is not well at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotWell {
    /// The component's title for people.
    pub title: String,
    /// What is wrong.
    pub why: String,
    /// Whether it was ill in the same way before the run.
    pub before: bool,
}

impl RunReport {
    /// Returns the exit code of the run.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        // Older reports have the health alone.
        let is_as_before =
            |one: &ComponentHealth| matches!(one.state, HealthState::AsBefore { .. });
        let is_ill = !self.not_well.is_empty() || self.health.iter().any(is_as_before);
        match self.outcome {
            Outcome::Done if is_ill => Some(Exit::NotWell),
            ref outcome => outcome.exit(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything is at its target and healthy.
    Done,
    /// It failed before anything was changed.
    Unchanged {
        /// Why it failed.
        cause: String,
    },
    /// It failed. The host was restored and compared with its earlier state. The run is closed.
    Reverted {
        /// Why it failed.
        cause: String,
        /// What is not as it was.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        differences: Vec<String>,
        /// What became of data that the run may have rewritten; nothing if they are as they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<DataState>,
        /// Why a person closed the run as it was found, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_it_is: Option<String>,
    },
    /// It failed, and the revert failed too: a person must act.
    RevertFailed {
        /// Why it failed.
        cause: String,
        /// Why the revert failed.
        revert_cause: String,
        /// Commands that restore the host by hand.
        commands: Vec<String>,
        /// What became of data that the run may have rewritten; nothing if they are as they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<DataState>,
    },
}

/// The state of data that are not as they were before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataState {
    /// The run may have rewritten data of at least one store, and nothing put them back.
    NotRestored,
}

/// A package's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The title of the component, or of the package that a component needs.
    pub title: String,
    /// The version before; `None` if it was not installed.
    pub from: Option<Nevra>,
    /// The version after, if the run is done; `None` if it was removed.
    pub to: Option<Nevra>,
}

impl Outcome {
    /// Makes the outcome of a run after which the host is as it was.
    #[must_use]
    pub const fn as_it_was(cause: String) -> Self {
        Self::Reverted {
            cause,
            differences: Vec::new(),
            data: None,
            as_it_is: None,
        }
    }

    /// Whether a closed run left something that is neither its target nor as it was.
    #[must_use]
    pub fn has_differences(&self) -> bool {
        *self != Self::Done && self.exit() != Some(Exit::Reverted)
    }

    /// Returns the exit code for the outcome alone; [`RunReport::exit`] looks at health too. Only a
    /// host that is as it was has code 5.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Done => None,
            Self::Unchanged { .. } => Some(Exit::Reverted),
            Self::Reverted {
                differences,
                data: None,
                as_it_is: None,
                ..
            } if differences.is_empty() => Some(Exit::Reverted),
            Self::Reverted { .. } | Self::RevertFailed { .. } => Some(Exit::RevertFailed),
        }
    }

    /// Returns one word for lists.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged { .. } => "unchanged",
            Self::Reverted {
                as_it_is: Some(_), ..
            } => "as-it-is",
            Self::Reverted { .. } if self.has_differences() => "differs",
            Self::Reverted { .. } => "reverted",
            Self::RevertFailed { .. } => "revert-failed",
        }
    }

    /// Returns why the run failed, if it did.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Unchanged { cause }
            | Self::Reverted { cause, .. }
            | Self::RevertFailed { cause, .. } => Some(cause),
        }
    }
}

/// Lists the changes of a plan.
#[must_use]
pub fn changes(plan: &InstallPlan) -> Vec<Change> {
    let nevra = |rpm: Option<&PlannedRpm>| rpm.map(|rpm| rpm.nevra.clone());
    let title = |package: &str| {
        let mut components = plan.components();
        let named = components.find(|planned| planned.component.package == package);
        named
            .map_or(package, |planned| &planned.component.title)
            .to_owned()
    };
    plan.changes()
        .map(|change| Change {
            title: title(change.package),
            from: nevra(change.from),
            to: nevra(change.to),
        })
        .collect()
}
