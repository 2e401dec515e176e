//! The steps of a run, which are all declared before it starts.

use std::fmt;
use std::str::FromStr;

use crate::plan::{InstallPlan, PlanKind, PlannedStore};

/// One journalled step. A step of a group carries the group's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Save configuration and record the state of the services.
    Backup,
    /// Write the drop-ins that can hold the units. The first effect outside the state directory.
    InstallHolds,
    /// A step over one group of components.
    Group(GroupStep, String),
    /// Remember the state after the run.
    Commit,
    /// Remove the drop-ins.
    RemoveHolds,
    /// A step of the revert.
    Revert(RevertStep),
    /// A step of the revert over one store or one component.
    RevertOf(RevertPart, String),
}

/// Declares steps in order, each with its name in journals and its title for people. Every later
/// version reads these names.
macro_rules! steps {
    ($(#[$about:meta])* $kind:ident { $($(#[$doc:meta])* $step:ident: $name:literal, $title:literal;)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $kind {
            $($(#[$doc])* $step,)+
        }

        impl $kind {
            /// Every such step, in order.
            pub const ALL: &[Self] = &[$(Self::$step),+];

            const fn words(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$step => ($name, $title),)+
                }
            }

            fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|step| step.words().0 == name)
            }
        }
    };
}

steps! {
    /// The steps over a group.
    GroupStep {
        /// Try out whether a revert could restore the data that the group changes.
        Rehearse: "rehearse", "try out a restore of its data";
        /// Dump the data stores that the group leaves alone, while its services still run.
        DumpAhead: "dump-ahead", "dump the data stores that it leaves alone";
        /// Hold and stop the services.
        Hold: "hold", "stop and hold";
        /// Save what changed since the backup, now that the services no longer write.
        Refresh: "refresh", "save the last state";
        /// Dump the data stores that the group changes, now that the held services no longer write to
        /// them.
        Dump: "dump", "dump its data stores";
        /// `rpm -U`.
        Transaction: "transaction", "rpm -U";
        /// Compare the host with the expected result of rpm, before anything else writes.
        Check: "check", "check what rpm did";
        /// Write the extras that come with the bundle.
        Extras: "extras", "write what comes beside the packages";
        /// Merge configuration for an undo, or for an upgrade that changes defaults of files.
        Configure: "configure", "merge configuration";
        /// Restore data from the dumps of the undone run (undo only).
        Restore: "restore", "restore its data";
        /// Let the services start again, and start those that were running.
        Release: "release", "release and start";
        /// Wait for healthy services.
        Health: "health", "wait for health";
    }
}

steps! {
    /// The steps of a revert.
    RevertStep {
        /// Hold and stop the services.
        Hold: "hold", "stop and hold";
        /// Reinstall the previous packages.
        Transaction: "transaction", "reinstall the previous packages";
        /// Restore the saved configuration.
        Configuration: "configuration", "put configuration back";
        /// Restore data that may have been rewritten.
        Data: "data", "put data back";
        /// Compare the host with its earlier state.
        Check: "check", "compare with the state before";
        /// Let the services start again, and start those that were running.
        Release: "release", "release and start";
        /// Wait for healthy services.
        Health: "health", "wait for health";
        /// Remove the drop-ins.
        RemoveHolds: "remove-holds", "remove the holds";
    }
}

steps! {
    /// The parts of a revert that have their own records, because a later try depends on them: what
    /// is back is not put back again, and what was released is live.
    RevertPart {
        /// Restore the data of one store.
        Data: "data", "put back the data of";
        /// Let the services of one component start again while others stay held.
        Release: "release", "release and start";
    }
}

impl GroupStep {
    /// Whether the step comes before the first effect on the host.
    const fn is_ahead(self) -> bool {
        matches!(self, Self::Rehearse | Self::DumpAhead)
    }
}

impl Step {
    /// Whether the step leaves everything outside the state directory as it is. A database of a
    /// rehearsal is removed by the next one that finds it.
    #[must_use]
    pub const fn is_without_effects(&self) -> bool {
        match self {
            Self::Backup => true,
            Self::Group(step, _) => step.is_ahead(),
            _ => false,
        }
    }

    /// Returns the steps of a plan, in order.
    #[must_use]
    pub fn of(plan: &InstallPlan) -> Vec<Self> {
        let is_undo = matches!(plan.kind, PlanKind::Undo { .. });
        let mut ahead = Vec::new();
        let mut steps = Vec::new();
        for group in &plan.groups {
            let stores = || plan.stores_of(&group.name);
            let is_needed = |step: GroupStep| match step {
                GroupStep::Hold | GroupStep::Refresh => true,
                GroupStep::Rehearse => stores().any(PlannedStore::is_rehearsed),
                GroupStep::DumpAhead => stores().any(PlannedStore::is_dumped_ahead),
                GroupStep::Dump => stores().any(|store| store.change.is_some()),
                GroupStep::Transaction | GroupStep::Check => group.changes().next().is_some(),
                GroupStep::Extras => !group.extras.coming.is_empty(),
                GroupStep::Configure => is_undo || group.has_pictures(),
                GroupStep::Restore => stores().any(|store| store.restored_run().is_some()),
                GroupStep::Release | GroupStep::Health => true,
            };
            for step in GroupStep::ALL.iter().filter(|step| is_needed(**step)) {
                let list = if step.is_ahead() {
                    &mut ahead
                } else {
                    &mut steps
                };
                list.push(Self::Group(*step, group.name.clone()));
            }
        }
        // What fails ahead leaves every service as it is.
        let mut steps = [vec![Self::Backup], ahead, vec![Self::InstallHolds], steps].concat();
        // Commit comes first: a run that is interrupted in between is finished forward.
        steps.extend([Self::Commit, Self::RemoveHolds]);
        steps
    }

    /// Returns the name in journals and the title, both without the group.
    const fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Backup => ("backup", "back up configuration"),
            Self::InstallHolds => ("install-holds", "prepare to hold the services"),
            Self::Commit => ("commit", "commit"),
            Self::RemoveHolds => ("remove-holds", "remove the holds"),
            Self::Group(step, _) => step.words(),
            Self::Revert(step) => step.words(),
            Self::RevertOf(part, _) => part.words(),
        }
    }

    /// Returns the step's title for people.
    #[must_use]
    pub fn title(&self) -> String {
        let (_, title) = self.words();
        match self {
            Self::Group(_, group) => format!("{group}: {title}"),
            Self::Revert(_) => format!("revert: {title}"),
            Self::RevertOf(_, name) => format!("revert: {title} {name}"),
            _ => title.to_owned(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = self.words();
        match self {
            Self::Group(_, group) => write!(f, "{name}:{group}"),
            Self::Revert(_) => write!(f, "revert:{name}"),
            Self::RevertOf(_, of) => write!(f, "revert:{name}:{of}"),
            _ => f.write_str(name),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let whole = [
            Self::Backup,
            Self::InstallHolds,
            Self::Commit,
            Self::RemoveHolds,
        ];
        let whole = whole.into_iter().find(|step| step.words().0 == name);
        let of_group = || GroupStep::named(name).map(|step| Self::Group(step, rest.to_owned()));
        let step = match name {
            "revert" => match rest.split_once(':') {
                Some((part, of)) => {
                    RevertPart::named(part).map(|part| Self::RevertOf(part, of.to_owned()))
                }
                None => RevertStep::named(rest).map(Self::Revert),
            },
            _ => whole.or_else(of_group),
        };
        step.ok_or_else(|| format!("unknown step `{text}`"))
    }
}

manifests::string_serde!(Step);

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in journals on hosts, each with its title. None of them may change.
    const NAMES: [(&str, &str); 26] = [
        ("backup", "back up configuration"),
        ("install-holds", "prepare to hold the services"),
        ("rehearse:mdcb", "mdcb: try out a restore of its data"),
        (
            "dump-ahead:mdcb",
            "mdcb: dump the data stores that it leaves alone",
        ),
        ("hold:mdcb", "mdcb: stop and hold"),
        ("refresh:mdcb", "mdcb: save the last state"),
        ("dump:mdcb", "mdcb: dump its data stores"),
        ("transaction:mdcb", "mdcb: rpm -U"),
        ("check:mdcb", "mdcb: check what rpm did"),
        ("extras:mdcb", "mdcb: write what comes beside the packages"),
        ("configure:mdcb", "mdcb: merge configuration"),
        ("restore:mdcb", "mdcb: restore its data"),
        ("release:mdcb", "mdcb: release and start"),
        ("health:mdcb", "mdcb: wait for health"),
        ("commit", "commit"),
        ("remove-holds", "remove the holds"),
        ("revert:hold", "revert: stop and hold"),
        (
            "revert:transaction",
            "revert: reinstall the previous packages",
        ),
        ("revert:configuration", "revert: put configuration back"),
        ("revert:data", "revert: put data back"),
        ("revert:check", "revert: compare with the state before"),
        ("revert:release", "revert: release and start"),
        ("revert:health", "revert: wait for health"),
        ("revert:remove-holds", "revert: remove the holds"),
        (
            "revert:data:mdcb-main",
            "revert: put back the data of mdcb-main",
        ),
        ("revert:release:mdcb", "revert: release and start mdcb"),
    ];

    #[test]
    fn every_name_in_a_journal_is_read_and_written_unchanged() {
        for (name, title) in NAMES {
            let step: Step = name.parse().unwrap();
            assert_eq!(
                (step.to_string(), step.title()),
                (name.into(), title.into())
            );
        }
        let of_groups = GroupStep::ALL.len() + RevertStep::ALL.len() + RevertPart::ALL.len();
        assert_eq!(
            NAMES.len(),
            4 + of_groups,
            "a new step belongs in this list"
        );
        for unknown in [
            "",
            "revert",
            "revert:refresh",
            "revert:check:a",
            "Hold:a",
            "release-holds",
        ] {
            assert!(unknown.parse::<Step>().is_err(), "{unknown}");
        }
    }
}
