//! The kinds of store, each in its room: how it is looked at, dumped, proven and restored.
//!
//! A dump is made into an open file that has no final name yet; whether it is whole is proven by the
//! store's own tool before it gets one (`run/dump.rs`).

mod mongodb;
mod postgresql;
mod redis;

use std::fs::File;

use super::{Access, Limit, StoreError, StoreLook};
use crate::host::Host;
use crate::layout::Layout;

/// A part of a dump, to be restored.
#[derive(Debug)]
pub struct DumpedPart {
    /// Its name, as [`StoreLook::parts`] had it.
    pub name: String,
    /// Its content, from the start.
    pub file: File,
}

/// What is asked of a restore.
#[derive(Debug)]
pub struct Restoring<'a> {
    /// The run, for names of what is kept aside.
    pub run: u64,
    /// The parts of the dump, in order.
    pub parts: &'a [DumpedPart],
    /// How many items the dump was proven to hold.
    pub items: Option<u64>,
}

/// Asks a store whether it can be dumped, without changing anything.
pub(crate) fn look(access: &Access, limit: Limit<'_>) -> Result<StoreLook, StoreError> {
    match access {
        Access::Redis(access) => redis::look(access, limit),
        Access::Postgresql(access) => postgresql::look(access, limit),
        Access::Mongodb(access) => mongodb::look(access, limit),
    }
}

/// Writes one part of a dump into a new file.
pub(crate) fn dump(
    access: &Access,
    part: &str,
    into: &File,
    limit: Limit<'_>,
) -> Result<(), StoreError> {
    match access {
        Access::Redis(access) => redis::dump(access, part, into, limit),
        Access::Postgresql(access) => postgresql::dump(access, part, into, limit),
        Access::Mongodb(access) => mongodb::dump(access, part, into, limit),
    }
}

/// Proves that a part of a dump can be read by the store's own tool, and says how many items it holds.
pub(crate) fn prove(
    access: &Access,
    part: &str,
    file: &File,
    limit: Limit<'_>,
) -> Result<Option<u64>, StoreError> {
    match access {
        Access::Redis(access) => redis::prove(access, part, file, limit),
        Access::Postgresql(access) => postgresql::prove(access, part, file, limit),
        Access::Mongodb(access) => mongodb::prove(access, part, file, limit),
    }
}

/// Puts a dump in the place of what the store holds. What it held is kept aside where the store allows
/// it; the notes say where. Cut off at any place, it can be done again.
pub(crate) fn restore(
    host: &dyn Host,
    layout: &Layout,
    access: &Access,
    restoring: &Restoring<'_>,
    limit: Limit<'_>,
) -> Result<Vec<String>, StoreError> {
    match access {
        Access::Redis(access) => redis::restore(host, layout, access, restoring, limit),
        Access::Postgresql(access) => postgresql::restore(access, restoring, limit),
        Access::Mongodb(access) => mongodb::restore(access, restoring, limit),
    }
}
