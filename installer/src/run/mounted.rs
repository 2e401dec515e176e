//! Looks whether everything that a recovery writes to is mounted as before the run.

use super::error::{StepError, differs};
use super::{Baseline, Context};
use crate::host::HostError;
use crate::plan::mounted;

/// Records the filesystems of what the run touches.
pub(super) fn record(context: &Context<'_>, baseline: &mut Baseline) -> Result<(), HostError> {
    let touched = context.plan.touched(&baseline.mounts);
    // An automatic mount comes with the first look at it.
    for directory in &touched {
        let _ = context.layout.at(directory).join(".").metadata();
    }
    baseline.filesystems = mounted::filesystems(&touched, &context.host.filesystems()?);
    Ok(())
}

/// Refuses to write anything while a filesystem is missing. The run stays open, and the recovery
/// tries again.
pub(super) fn check(context: &Context<'_>, baseline: &Baseline) -> Result<(), StepError> {
    if baseline.filesystems.is_empty() {
        return Ok(());
    }
    // An automatic mount comes with the first look at it.
    for directory in baseline.filesystems.keys() {
        let _ = context.layout.at(directory).join(".").metadata();
    }
    let found = mounted::differences(&baseline.filesystems, &context.host.filesystems()?);
    if found.is_empty() {
        return Ok(());
    }
    differs(format!(
        "{}; nothing is put back before it is mounted as it was, and the recovery tries again by \
         itself",
        found.join("; ")
    ))
}
