//! Where a run keeps its dumps, and the dumps of stores that it leaves alone.

use std::path::Path;

use super::error::StepError;
use super::stores::dump_as;
use super::{Context, StepResult};
use crate::layout::DumpDir;
use crate::secure_fs;

/// Dumps the stores that a group leaves alone. Its services run: no revert restores these dumps, and
/// a service that is down while they are made would be down for nothing.
pub(super) fn dump_ahead(context: &Context<'_>, group: &str) -> StepResult {
    let discovery = context.discover();
    let dir = dumps_dir(context);
    let mut notes = Vec::new();
    let stores = context.plan.stores_of(group);
    for store in stores.filter(|store| store.is_dumped_ahead()) {
        let dump = dump_as(context, &discovery, store, &store.label(), &dir)?;
        notes.push(format!("{}: {} bytes", store.name, dump.bytes()));
    }
    Ok(notes.join(", "))
}

/// Returns where the run keeps the dumps from before it.
pub(super) fn dumps_dir(context: &Context<'_>) -> DumpDir {
    let elsewhere = context.plan.dumps_elsewhere(context.run);
    placed(context.dir().backup().dumps(), elsewhere.as_deref())
}

/// Returns where the run keeps what stores held before a way back replaced it.
pub(super) fn aside_dir(context: &Context<'_>) -> DumpDir {
    let elsewhere = context.plan.dumps_elsewhere(context.run);
    placed(context.dir().backup().aside(), elsewhere.as_deref())
}

/// Makes the directory of dumps that the operator named, below a directory that only root changes.
pub(super) fn make_ready(context: &Context<'_>) -> Result<(), StepError> {
    let (Some(dir), Some(own)) = (
        context.plan.dump_dir.as_ref(),
        context.plan.dumps_elsewhere(context.run),
    ) else {
        return Ok(());
    };
    secure_fs::check_guarded(Path::new(dir))?;
    let backup = context.dir().backup();
    let is_ours = [backup.dumps(), backup.aside()]
        .iter()
        .any(|one| one.document.exists());
    // A disk that moves between hosts has the dumps of the other one under the same number.
    if !is_ours && std::fs::read_dir(&own).is_ok_and(|mut found| found.next().is_some()) {
        return Err(StepError::Missing(format!(
            "{} holds the dumps of another host or of a host as it was before: move it away, or name \
             another directory with --dump-dir",
            own.display()
        )));
    }
    Ok(secure_fs::ensure_dir(&own, 0o700)?)
}

/// Gives dumps another place; their list stays where it is.
fn placed(dumps: DumpDir, elsewhere: Option<&Path>) -> DumpDir {
    let name = dumps.files.file_name().map(Path::new);
    match (elsewhere, name) {
        (Some(elsewhere), Some(name)) => DumpDir {
            files: elsewhere.join(name),
            document: dumps.document,
        },
        _ => dumps,
    }
}
