//! The packages of a way back.

use std::fs::File;
use std::time::Duration;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;

use super::execute::{State, open_log};
use super::transaction::complaints;
use super::{Context, StepResult, baseline, brought};
use crate::failure::chain;
use crate::host::RpmMode;
use crate::plan::{Group, PackageChange};
use crate::secure_fs;

/// One transaction of everything that is not as it was, and a second one without the `%preun` of
/// what is replaced, which may be what failed. Then what was brought goes: nothing needs it any more.
pub(super) fn reinstall(context: &Context<'_>, state: &State, reached: &[&Group]) -> StepResult {
    let log = open_log(context, "rpm-revert.log").or_else(|_| null());
    let log = log.map_err(|error| format!("cannot open a log: {error}"))?;
    let reached: Vec<PackageChange<'_>> = reached.iter().flat_map(|g| g.changes()).collect();
    let mut complaints = Vec::new();
    for mode in [RpmMode::GoBack, RpmMode::GoBackWithoutPreun] {
        let touched: Vec<PackageChange<'_>> = reached
            .iter()
            .filter(|change| !context.is_untouched(&state.baseline, **change))
            .copied()
            .collect();
        if touched.is_empty() {
            break;
        }
        sweep(context, state, &reached)?;
        // rpm names its temporary files by the second; a transaction within the same second as a
        // disturbed one trips over them.
        context.host.sleep(Duration::from_millis(1100));
        let digests: Vec<Sha256> = touched
            .iter()
            .filter_map(|change| change.from)
            .map(|rpm| rpm.sha256)
            .collect();
        complaints.push(context.transact(&digests, mode, &log)?);
        complaints.push(remove(context, state, &touched, mode, &log)?);
        if touched
            .iter()
            .all(|change| context.is_installed(change.package, change.from))
        {
            break;
        }
    }
    // What rpm complains about is for the record; whether it worked is for the check.
    complaints.retain(|text| !text.is_empty());
    Ok(complaints.join("; "))
}

/// Removes what was brought: all of it at once, for one may need another. An rpm that was cut off may
/// have written files of which its database knows nothing.
fn remove(
    context: &Context<'_>,
    state: &State,
    touched: &[PackageChange<'_>],
    mode: RpmMode,
    log: &File,
) -> StepResult {
    let brought: Vec<PackageChange<'_>> = touched
        .iter()
        .filter(|change| change.from.is_none())
        .copied()
        .collect();
    let is_there = |change: &&PackageChange<'_>| context.is_installed(change.package, change.to);
    let there: Vec<&Nevra> = brought
        .iter()
        .filter(is_there)
        .filter_map(|change| change.to)
        .map(|rpm| &rpm.nevra)
        .collect();
    let mut complaint = String::new();
    if !there.is_empty() {
        complaint = complaints(&context.erase(&there, mode, log)?);
    }
    if brought
        .iter()
        .all(|change| context.is_installed(change.package, None))
    {
        brought::clear(context, &state.baseline.absent, &brought)?;
    }
    Ok(complaint)
}

fn null() -> std::io::Result<File> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
}

/// Removes rpm's temporary files that were not there before the run.
fn sweep(
    context: &Context<'_>,
    state: &State,
    reached: &[PackageChange<'_>],
) -> Result<(), String> {
    for change in reached {
        let found = baseline::leftovers(context, *change);
        for path in found.difference(&state.baseline.leftovers) {
            secure_fs::Place::of(&context.layout.at(path))
                .and_then(|place| place.remove())
                .map_err(|error| chain(&error))?;
        }
    }
    Ok(())
}
