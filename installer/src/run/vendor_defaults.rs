//! Reads the vendor's defaults of the files that a run reports on, from the old and the new RPM,
//! while the services still run.

use std::collections::{BTreeMap, BTreeSet};

use manifests::digest::Sha256;

use super::Context;
use super::error::StepError;
use crate::backup::changes::Content;
use crate::bundle::StagedRpmSet;
use crate::failure::chain;
use crate::host::HostError;
use crate::host::payload::PayloadError;
use crate::plan::{PlanKind, PlannedComponent};

/// Larger files are not configuration: their differences are unreadable.
const FILE_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Defaults by path, with their contents in the blobs.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) old: BTreeMap<String, Content>,
    pub(super) new: BTreeMap<String, Content>,
    /// Why some defaults are unknown, by path.
    pub(super) unknown: BTreeMap<String, String>,
}

/// Reads the defaults of every file whose forecast needs them. An RPM that the host's rpm cannot
/// unpack ends the run here, before any change. If only this program cannot read the archive, its
/// defaults stay unknown: nothing is merged, and the report gives the reason.
pub(super) fn read(context: &Context<'_>) -> Result<Defaults, StepError> {
    let mut found = Defaults::default();
    if context.plan.kind != PlanKind::Upgrade {
        return Ok(found);
    }
    for planned in context.plan.components() {
        let wanted = pictured(planned);
        let Defaults { old, new, unknown } = &mut found;
        for (rpm, known) in [(&planned.from, old), (&planned.to, new)] {
            if let Some(rpm) = rpm.as_ref().filter(|_| !wanted.is_empty()) {
                read_one(context, &rpm.sha256, &wanted, known, unknown)?;
            }
        }
    }
    Ok(found)
}

fn pictured(planned: &PlannedComponent) -> BTreeSet<String> {
    let forecasts = planned.config.iter();
    forecasts
        .filter(|forecast| forecast.fate.is_pictured())
        .map(|forecast| forecast.path.clone())
        .collect()
}

fn read_one(
    context: &Context<'_>,
    rpm: &Sha256,
    wanted: &BTreeSet<String>,
    known: &mut BTreeMap<String, Content>,
    unknown: &mut BTreeMap<String, String>,
) -> Result<(), StepError> {
    let set = StagedRpmSet::reopen(context.layout, &[*rpm])?;
    let rpm = set.rpms().first();
    let rpm = rpm.ok_or_else(|| StepError::Missing("an RPM is not in the store".to_owned()))?;
    let files = match context.host.payload_files(rpm, wanted, FILE_MAX_BYTES) {
        Ok(files) => files,
        // rpm reads this form of archive and this program does not.
        Err(HostError::Payload(error @ PayloadError::Archive { .. })) => {
            let why = chain(&error);
            unknown.extend(wanted.iter().map(|path| (path.clone(), why.clone())));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let blobs = context.blobs()?;
    for (path, bytes) in files.contents {
        let sha256 = Sha256::of(&bytes);
        blobs.put(&sha256, &bytes)?;
        let size = bytes.len() as u64;
        known.insert(path, Content { sha256, size });
    }
    let large = |path: String| (path, "it is too large".to_owned());
    unknown.extend(files.too_large.into_iter().map(large));
    Ok(())
}
