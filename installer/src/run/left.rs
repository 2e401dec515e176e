//! Data that a run does not replace by itself: a person restores them, or other hosts use them.

use std::time::Duration;

use super::Context;
use super::dumps::dumps_dir;
use super::error::StepError;
use crate::plan::PlannedStore;
use crate::secure_fs;
use crate::stores::{Access, Discovery, Limit, Others};

/// The longest time of the question who uses a store.
const ASK: Duration = Duration::from_secs(60);

/// Whether the data of a store may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In an undo or a restore, while it can still be taken back.
    Forward,
    /// In a revert. What it leaves to a person stays with the person: by the next try the other hosts
    /// may be away for a moment, and what they wrote would be lost.
    Back,
}

/// Refuses what a person was to restore.
pub(super) fn refuse_by_hand(context: &Context<'_>, store: &PlannedStore) -> Result<(), StepError> {
    let mark = context.dir().not_restored(&store.name);
    let reason = match &store.terms.by_hand {
        Some(reason) => format!("a person restores them, because: {reason}"),
        None if mark.exists() => {
            // The mark counts, whatever is in it.
            let who = std::fs::read_to_string(&mark).unwrap_or_default();
            format!("when they were to be restored, {who}")
        }
        None => return Ok(()),
    };
    Err(left(context, store, &reason))
}

/// Refuses to replace data that other hosts use, unless that was allowed before the run. Returns a
/// note for the report.
pub(super) fn refuse_shared(
    context: &Context<'_>,
    store: &PlannedStore,
    access: &Access,
    way: Way,
) -> Result<Option<String>, StepError> {
    let limit = Limit {
        time: ASK,
        stopped: context.stopped,
    };
    let others = context.stores.words(access, limit).others;
    if others.are_none() {
        return Ok(None);
    }
    let is_known = matches!(others, Others::Known(_));
    if way == Way::Back && !is_known && context.dir().restoring(&store.name).exists() {
        return Ok(None);
    }
    let who = match others {
        Others::Known(list) => format!("other hosts use them: {}", list.join(", ")),
        Others::NotKnown(why) => format!("whether other hosts use them is not known: {why}"),
    };
    if let Some(reason) = &store.terms.shared {
        return Ok(Some(format!(
            "the data of {} were replaced although {who}; this was allowed, because: {reason}",
            store.name
        )));
    }
    if way == Way::Back && is_known {
        let mark = context.dir().not_restored(&store.name);
        secure_fs::write_atomic(&mark, who.as_bytes(), 0o600)?;
    }
    if way == Way::Forward {
        return Err(StepError::LeftToPerson(format!(
            "the data of {} ({}) were not touched: {who}. Stop their services and start this again, or \
             allow it with --restore-shared {}=REASON",
            store.name, store.endpoint, store.name
        )));
    }
    Err(left(context, store, &who))
}

/// Refuses what other hosts use before any store is touched, and in an undo before its packages go
/// back.
pub(super) fn refuse_all_shared(
    context: &Context<'_>,
    group: &str,
    discovery: &Discovery,
) -> Result<Vec<String>, StepError> {
    let mut notes = Vec::new();
    let stores = context.plan.stores_of(group);
    for store in stores.filter(|one| one.restored_run().is_some()) {
        let access = discovery.access(&store.name, &store.endpoint)?;
        notes.extend(refuse_shared(context, store, access, Way::Forward)?);
    }
    Ok(notes)
}

fn left(context: &Context<'_>, store: &PlannedStore, reason: &str) -> StepError {
    let dump = dumps_dir(context).files.join(&store.name);
    StepError::LeftToPerson(format!(
        "the data of {} ({}) were not restored: {reason}. The dump is in {}",
        store.name,
        store.endpoint,
        dump.display()
    ))
}
