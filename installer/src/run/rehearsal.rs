//! Tries out, before anything is held, whether a revert could restore the data that a run changes.
//!
//! An engine may need a database of its own for that on the server. Its name has a mark of this host
//! and the run: what a crash leaves is removed by the recovery or by the next rehearsal.

use std::time::Duration;

use manifests::digest::Sha256;

use super::state::Note;
use super::stores::access_of;
use super::{Context, StepResult};
use crate::failure::chain;
use crate::journal::Record;
use crate::journal::step::{GroupStep, Step};
use crate::plan::PlannedStore;
use crate::stores::{Limit, RehearsalMark, StoreError};

/// The longest time for what a crash left.
const CLEARING: Duration = Duration::from_secs(60);
/// How much of a digest stands for this host.
const HOST_DIGITS: usize = 8;

/// Tries out a restore of every store that the group changes.
pub(super) fn rehearse(context: &Context<'_>, group: &str) -> StepResult {
    let discovery = context.discover();
    let mark = mark(context);
    let mut notes = Vec::new();
    let stores = context.plan.stores_of(group);
    for store in stores.filter(|store| store.is_rehearsed()) {
        let access = access_of(&discovery, store, &store.exclude)?;
        let limit = context.limit(Duration::from_secs(context.plan.dump_limit_secs));
        let tried = context.stores.rehearse(&access, &mark, limit);
        let note = tried.map_err(|error| with_ways(store, error))?;
        notes.extend(note.map(|note| format!("{}: {note}", store.name)));
    }
    Ok(notes.join(", "))
}

/// Removes what an interrupted rehearsal left on the servers. Returns what could not be removed.
pub(super) fn clear(context: &Context<'_>, records: &[Record]) -> Vec<Note> {
    clear_after(context, records.last().map(|record| &record.step))
}

/// The same for a run that ended at a step. A rehearsal that failed may have lost its server before
/// it could tidy up.
pub(super) fn clear_after(context: &Context<'_>, last: Option<&Step>) -> Vec<Note> {
    if !matches!(last, Some(Step::Group(GroupStep::Rehearse, _))) {
        return Vec::new();
    }
    let discovery = context.discover();
    let mark = mark(context);
    let clear = |store: &PlannedStore| {
        let goes_on = || false;
        let limit = Limit {
            time: CLEARING,
            stopped: &goes_on,
        };
        let access = access_of(&discovery, store, &[]);
        let cleared =
            access.and_then(|access| context.stores.clear_rehearsal(&access, &mark, limit));
        let why = cleared.err()?;
        Some(Note::Info(format!(
            "what an interrupted trial of a restore may have left on the server of {} is removed by \
             the next run: {}",
            store.name,
            chain(&why)
        )))
    };
    let stores = context.plan.stores.iter();
    stores
        .filter(|store| store.is_rehearsed())
        .filter_map(clear)
        .collect()
}

/// Two hosts may rehearse on one server at the same time, and may have copies of one machine id.
fn mark(context: &Context<'_>) -> RehearsalMark {
    let id = std::fs::read(context.layout.at("/etc/machine-id")).unwrap_or_default();
    let name = std::fs::read(context.layout.at("/proc/sys/kernel/hostname")).unwrap_or_default();
    let mut host = Sha256::of(&[id, name].concat()).to_string();
    host.truncate(HOST_DIGITS);
    RehearsalMark {
        host,
        run: context.run,
    }
}

fn with_ways(store: &PlannedStore, error: StoreError) -> StoreError {
    let StoreError { what, why, next } = error;
    let name = &store.name;
    let next = format!(
        "{next}; or take the restore upon you: --restored-by-hand {name}=REASON still makes the dump, \
         and --backed-up-elsewhere {name}=REASON makes none"
    );
    StoreError::new(what, why, next)
}
