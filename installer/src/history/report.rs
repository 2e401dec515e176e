//! The report of a run: what was asked, what happened, what the host is now.

use manifests::nevra::Nevra;
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::failure::Exit;
use crate::plan::{InstallPlan, PlanKind, PlannedRpm};

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
    /// Forward, or an undo.
    pub kind: PlanKind,
    /// The product for people.
    pub title: String,
    /// Start, seconds since 1970.
    pub started: u64,
    /// End, seconds since 1970.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What changed, or would have.
    pub changes: Vec<Change>,
    /// How the components that were touched are.
    pub health: Vec<ComponentHealth>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// What became of the data stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataReport>,
    /// To whom its backup is sealed when it is closed; to nobody if it stays plain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup_recipients: Vec<String>,
}

impl Document for RunReport {
    const TYPE: &'static str = REPORT_TYPE;
}

/// A data store of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataReport {
    /// Its name.
    pub name: String,
    /// Where it is, without secrets.
    pub endpoint: String,
    /// When the dump was begun, seconds since 1970, and its size in bytes; nothing without one.
    pub dump: Option<DumpReport>,
    /// Why it was not to be dumped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
}

/// A dump that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpReport {
    /// When it was begun, seconds since 1970.
    pub taken: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// How many keys, tables or collections it was proven to hold.
    pub items: Option<u64>,
}

/// The health of one component at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentHealth {
    /// The component for people.
    pub title: String,
    /// How it is.
    pub state: HealthState,
}

/// How a component is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// It answered as it should, several times in a row.
    Healthy,
    /// It is not well, in the way in which it was not well before.
    AsBefore {
        /// What is wrong.
        why: String,
    },
    /// Nobody asked.
    NotChecked {
        /// Why.
        why: String,
    },
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
    /// It failed, and the host was put back and compared with what it was.
    Reverted {
        /// Why it failed.
        cause: String,
    },
    /// It failed, and so did the revert: a person is needed.
    RevertFailed {
        /// Why it failed.
        cause: String,
        /// Why the revert failed.
        revert_cause: String,
        /// Commands that put the host back by hand.
        commands: Vec<String>,
    },
}

/// A package's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The component for people, or the package that one of them needs.
    pub title: String,
    /// Before; nothing if it was not there.
    pub from: Option<Nevra>,
    /// After, if the run is done; nothing if it went.
    pub to: Option<Nevra>,
}

impl Outcome {
    /// Returns the exit code it leads to.
    #[must_use]
    pub const fn exit(&self) -> Option<Exit> {
        match self {
            Self::Done => None,
            Self::Unchanged { .. } | Self::Reverted { .. } => Some(Exit::Reverted),
            Self::RevertFailed { .. } => Some(Exit::RevertFailed),
        }
    }

    /// Returns one word for lists.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged { .. } => "unchanged",
            Self::Reverted { .. } => "reverted",
            Self::RevertFailed { .. } => "revert-failed",
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
