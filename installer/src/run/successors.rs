//! Packages that replace one of another name. rpm installs the older one again only after its
//! successor was removed: both own the same files, and the successor obsoletes it.

use std::fs::File;

use manifests::nevra::Nevra;

use super::Context;
use super::error::StepError;
use super::transaction::Answer;
use crate::host::Erasure;
use crate::plan::{PackageChange, PlannedRpm};

/// Which side of the changes comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What was there before the run: a revert installs it.
    From,
    /// What the run installs: an undo installs it.
    To,
}

impl Side {
    /// Returns what comes next, and what is there until then.
    const fn of(self, change: PackageChange<'_>) -> (Option<&PlannedRpm>, Option<&PlannedRpm>) {
        match self {
            Self::From => (change.from, change.to),
            Self::To => (change.to, change.from),
        }
    }
}

/// Removes every successor of what comes next.
pub(super) fn remove(
    context: &Context<'_>,
    changes: &[PackageChange<'_>],
    side: Side,
    log: &File,
) -> Result<Answer, StepError> {
    let coming = changes
        .iter()
        .filter(|change| side.of(**change).0.is_some());
    let names: Vec<&str> = coming
        .filter_map(|change| change.needed?.successor.as_deref())
        .collect();
    let mut there: Vec<&Nevra> = Vec::new();
    for change in changes.iter().filter(|one| names.contains(&one.package)) {
        let (_, until_then) = side.of(*change);
        let installed = until_then.filter(|rpm| context.is_installed(change.package, Some(rpm)));
        there.extend(installed.map(|rpm| &rpm.nevra));
    }
    if there.is_empty() {
        return Ok(Answer::Fine);
    }
    Ok(Answer::of(&context.erase(
        &there,
        Erasure::BeforeWhatNeedsThem,
        log,
    )?))
}
