//! The packages of a way back.

use std::fs::File;
use std::time::Duration;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;

use super::error::StepError;
use super::execute::open_log;
use super::state::State;
use super::transaction::Answer;
use super::{Context, StepResult, baseline, needed};
use crate::host::{Erasure, RpmMode};
use crate::plan::{Group, PackageChange};
use crate::secure_fs;

/// One transaction of everything that is not as it was; then what was brought goes, for nothing needs
/// it any more. Where that was not enough, once more: first what was brought, for it may be in the way
/// (a file that moved into it, a conflict with the older version), then the rest, without the `%preun`
/// of what is replaced, which may be what failed.
pub(super) fn reinstall(context: &Context<'_>, state: &State, reached: &[&Group]) -> StepResult {
    let log = open_log(&context.dir().revert_log()).or_else(|_| null());
    let log = log.map_err(StepError::Log)?;
    let reached: Vec<PackageChange<'_>> = reached.iter().flat_map(|g| g.changes()).collect();
    let mut complaints = Vec::new();
    for mode in [RpmMode::GoBack, RpmMode::GoBackWithoutPreun] {
        let touched: Vec<PackageChange<'_>> = reached
            .iter()
            .filter(|change| !context.is_untouched(&state.saved.baseline, **change))
            .copied()
            .collect();
        if touched.is_empty() {
            break;
        }
        sweep(context, state, &reached)?;
        // rpm names its temporary files by the second; a transaction within the same second as a
        // disturbed one trips over them.
        context.host.sleep(Duration::from_millis(1100));
        if mode == RpmMode::GoBackWithoutPreun {
            for how in [
                Erasure::BeforeWhatNeedsThem,
                Erasure::BeforeWhatNeedsThemWithoutPreun,
            ] {
                complaints.extend(remove(context, &touched, how, &log)?.complaint());
            }
        }
        let digests: Vec<Sha256> = touched
            .iter()
            .filter_map(|change| change.from)
            .map(|rpm| rpm.sha256)
            .collect();
        complaints.extend(context.transact(&digests, mode, &log)?.complaint());
        complaints.extend(remove(context, &touched, Erasure::Plain, &log)?.complaint());
        let is_back =
            |change: &&PackageChange<'_>| context.is_installed(change.package, change.from);
        // An rpm that was cut off may have written files of which its database knows nothing.
        for change in touched.iter().filter(is_back) {
            needed::clear(context, &state.saved.baseline.absent, *change)?;
        }
        if touched.iter().all(|change| is_back(&change)) {
            break;
        }
    }
    // What rpm complains about is for the record; whether it worked is for the check.
    Ok(complaints.join("; "))
}

/// Removes what was brought, all of it at once, for one may need another.
fn remove(
    context: &Context<'_>,
    touched: &[PackageChange<'_>],
    how: Erasure,
    log: &File,
) -> Result<Answer, StepError> {
    let brought = touched.iter().filter(|change| change.from.is_none());
    let there: Vec<&Nevra> = brought
        .filter(|change| context.is_installed(change.package, change.to))
        .filter_map(|change| change.to)
        .map(|rpm| &rpm.nevra)
        .collect();
    if there.is_empty() {
        return Ok(Answer::Fine);
    }
    Ok(Answer::of(&context.erase(&there, how, log)?))
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
) -> Result<(), StepError> {
    for change in reached {
        let found = baseline::leftovers(context, *change);
        for path in found.difference(&state.saved.baseline.leftovers) {
            secure_fs::Place::of(&context.layout.at(path)).and_then(|place| place.remove())?;
        }
    }
    Ok(())
}
