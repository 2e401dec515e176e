//! The steps of a run, declared before it starts.

use std::fmt;
use std::str::FromStr;

use crate::plan::InstallPlan;

/// One journalled step. `group` is a group's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Save configuration and record what the services were.
    Backup,
    /// Write the drop-ins that can hold the units. The first effect outside the state directory.
    InstallHolds,
    /// Hold and stop the services of a group.
    Hold(String),
    /// Save what changed since the backup, now that nothing writes.
    Refresh(String),
    /// Dump the data stores, now that nothing of ours writes to them.
    Dump(String),
    /// `rpm -U`.
    Transaction(String),
    /// Compare the host with what rpm should have done.
    Check(String),
    /// Merge configuration: of an undo, and of an upgrade that changes defaults of files.
    Configure(String),
    /// Write the files beside packages that come with the bundle.
    Extras(String),
    /// Restore data from the dumps of the undone run (undo only).
    Restore(String),
    /// Let the services start again, and start those that ran.
    Release(String),
    /// Wait for healthy services.
    Health(String),
    /// Remove the drop-ins.
    RemoveHolds,
    /// Remember the state after the run.
    Commit,
    /// A step of the revert.
    Revert(RevertStep),
}

/// The steps of a revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevertStep {
    /// Hold and stop the services.
    Hold,
    /// Reinstall the previous packages.
    Transaction,
    /// Put the saved configuration back.
    Configuration,
    /// Restore the data that may have been rewritten.
    Data,
    /// Compare the host with what it was.
    Check,
    /// Let the services start again, and start those that ran.
    Release,
    /// Wait for healthy services.
    Health,
    /// Remove the drop-ins.
    RemoveHolds,
}

impl Step {
    /// Returns the steps of a plan, in order.
    #[must_use]
    pub fn of(plan: &InstallPlan) -> Vec<Self> {
        let undo = matches!(plan.kind, crate::plan::PlanKind::Undo { .. });
        let mut steps = vec![Self::Backup, Self::InstallHolds];
        for group in &plan.groups {
            let name = || group.name.clone();
            steps.extend([Self::Hold(name()), Self::Refresh(name())]);
            if plan.stores_of(&group.name).next().is_some() {
                steps.push(Self::Dump(name()));
            }
            if group.changes().next().is_some() {
                // What rpm did is judged before anything else writes.
                steps.extend([Self::Transaction(name()), Self::Check(name())]);
            }
            if !group.extras.coming.is_empty() {
                steps.push(Self::Extras(name()));
            }
            if undo || group.has_pictures() {
                steps.push(Self::Configure(name()));
            }
            let mut stores = plan.stores_of(&group.name);
            if stores.any(|store| store.restored_run().is_some()) {
                steps.push(Self::Restore(name()));
            }
            steps.extend([Self::Release(name()), Self::Health(name())]);
        }
        // Committed first: a run that is cut off in between is finished forward.
        steps.extend([Self::Commit, Self::RemoveHolds]);
        steps
    }

    /// Says the step to a person.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Backup => "back up configuration".to_owned(),
            Self::InstallHolds => "prepare to hold the services".to_owned(),
            Self::Hold(group) => format!("{group}: stop and hold"),
            Self::Refresh(group) => format!("{group}: save the last state"),
            Self::Dump(group) => format!("{group}: dump its data stores"),
            Self::Transaction(group) => format!("{group}: rpm -U"),
            Self::Check(group) => format!("{group}: check what rpm did"),
            Self::Configure(group) => format!("{group}: merge configuration"),
            Self::Extras(group) => format!("{group}: write what comes beside the packages"),
            Self::Restore(group) => format!("{group}: restore its data"),
            Self::Release(group) => format!("{group}: release and start"),
            Self::Health(group) => format!("{group}: wait for health"),
            Self::RemoveHolds => "remove the holds".to_owned(),
            Self::Commit => "commit".to_owned(),
            Self::Revert(step) => format!("revert: {}", step.title()),
        }
    }
}

impl RevertStep {
    /// Every step of a revert, in order.
    pub const ALL: [Self; 8] = [
        Self::Hold,
        Self::Transaction,
        Self::Configuration,
        Self::Data,
        Self::Check,
        Self::Release,
        Self::Health,
        Self::RemoveHolds,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Transaction => "transaction",
            Self::Configuration => "configuration",
            Self::Data => "data",
            Self::Check => "check",
            Self::Release => "release",
            Self::Health => "health",
            Self::RemoveHolds => "remove-holds",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Hold => "stop and hold",
            Self::Transaction => "reinstall the previous packages",
            Self::Configuration => "put configuration back",
            Self::Data => "put data back",
            Self::Check => "compare with the state before",
            Self::Release => "release and start",
            Self::Health => "wait for health",
            Self::RemoveHolds => "remove the holds",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup => f.write_str("backup"),
            Self::InstallHolds => f.write_str("install-holds"),
            Self::Hold(group) => write!(f, "hold:{group}"),
            Self::Refresh(group) => write!(f, "refresh:{group}"),
            Self::Dump(group) => write!(f, "dump:{group}"),
            Self::Transaction(group) => write!(f, "transaction:{group}"),
            Self::Check(group) => write!(f, "check:{group}"),
            Self::Configure(group) => write!(f, "configure:{group}"),
            Self::Extras(group) => write!(f, "extras:{group}"),
            Self::Restore(group) => write!(f, "restore:{group}"),
            Self::Release(group) => write!(f, "release:{group}"),
            Self::Health(group) => write!(f, "health:{group}"),
            Self::RemoveHolds => f.write_str("remove-holds"),
            Self::Commit => f.write_str("commit"),
            Self::Revert(step) => write!(f, "revert:{}", step.name()),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (verb, group) = text.split_once(':').unwrap_or((text, ""));
        let group = group.to_owned();
        Ok(match verb {
            "backup" => Self::Backup,
            "install-holds" => Self::InstallHolds,
            "hold" => Self::Hold(group),
            "refresh" => Self::Refresh(group),
            "dump" => Self::Dump(group),
            "transaction" => Self::Transaction(group),
            "check" => Self::Check(group),
            "configure" => Self::Configure(group),
            "extras" => Self::Extras(group),
            "restore" => Self::Restore(group),
            "release" => Self::Release(group),
            "health" => Self::Health(group),
            "remove-holds" => Self::RemoveHolds,
            "commit" => Self::Commit,
            "revert" => {
                let step = RevertStep::ALL
                    .into_iter()
                    .find(|step| step.name() == group);
                Self::Revert(step.ok_or_else(|| format!("unknown step `{text}`"))?)
            }
            _ => return Err(format!("unknown step `{text}`")),
        })
    }
}

manifests::string_serde!(Step);
