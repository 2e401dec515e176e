//! The packages of a revert: puts the previous packages back and removes what the run brought.

use std::fs::File;
use std::time::Duration;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;

use super::error::StepError;
use super::execute::open_log;
use super::kinds::{self, Which};
use super::state::State;
use super::successors::{self, Side};
use super::transaction::Answer;
use super::{Context, StepResult, baseline, needed, new_services};
use crate::host::{Erasure, RpmMode};
use crate::plan::{Group, PackageChange};
use crate::secure_fs;

/// Reinstalls everything that changed in one transaction, then removes what was brought, because
/// nothing needs it any more. If that was not enough, a second round removes first what was
/// brought: it may be in the way (a moved file, a conflict with the older version). The second
/// round runs without the `%preun` of the replaced packages, which may be what failed.
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
        kinds::put_back(context, &state.saved.baseline, &touched, Which::All)?;
        // rpm names its temporary files by the second. A transaction in the same second as a
        // disturbed one would collide with its files.
        context.host.sleep(Duration::from_millis(1100));
        new_services::disable(context)?;
        complaints.extend(successors::remove(context, &touched, Side::From, &log)?.complaint());
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
        // An interrupted rpm may have written files that its database does not list.
        for change in touched.iter().filter(is_back) {
            needed::clear(context, &state.saved.baseline.absent, *change)?;
        }
        if touched.iter().all(|change| is_back(&change)) {
            break;
        }
    }
    // rpm's complaints are recorded; the check decides whether it worked.
    Ok(complaints.join("; "))
}

/// Removes what was brought, all at once, because one package may need another.
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

/// Removes rpm's temporary files that did not exist before the run.
fn sweep(
    context: &Context<'_>,
    state: &State,
    reached: &[PackageChange<'_>],
) -> Result<(), StepError> {
    for change in reached {
        for path in baseline::new_leftovers(context, &state.saved.baseline, *change)? {
            secure_fs::Place::of(&context.layout.at(&path)).and_then(|place| place.remove())?;
        }
    }
    Ok(())
}
