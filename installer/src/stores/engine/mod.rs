//! The kinds of store, each in its room: how it is looked at, dumped, proven and restored.
//!
//! A dump is made into an open file that has no final name yet; whether it is whole is proven by the
//! store's own tool before it gets one (`stores/dumping.rs`).

mod mongodb;
mod postgresql;
mod redis;

use std::fs::File;

use super::{Access, Limit, StoreError, StoreLook, Stores};
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

/// The stores as this host reaches them: with the tools of their servers.
#[derive(Clone, Copy)]
pub struct HostStores<'a> {
    host: &'a dyn Host,
    layout: &'a Layout,
}

impl std::fmt::Debug for HostStores<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostStores").finish_non_exhaustive()
    }
}

impl<'a> HostStores<'a> {
    /// Reaches the stores from a host.
    #[must_use]
    pub fn new(host: &'a dyn Host, layout: &'a Layout) -> Self {
        Self { host, layout }
    }
}

impl Stores for HostStores<'_> {
    fn look(&self, access: &Access, limit: Limit<'_>) -> Result<StoreLook, StoreError> {
        match access {
            Access::Redis(access) => redis::look(access, limit),
            Access::Postgresql(access) => postgresql::look(access, limit),
            Access::Mongodb(access) => mongodb::look(access, limit),
        }
    }

    fn dump(
        &self,
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

    fn prove(
        &self,
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

    fn restore(
        &self,
        access: &Access,
        restoring: &Restoring<'_>,
        limit: Limit<'_>,
    ) -> Result<Vec<String>, StoreError> {
        match access {
            Access::Redis(access) => {
                redis::restore(self.host, self.layout, access, restoring, limit)
            }
            Access::Postgresql(access) => postgresql::restore(access, restoring, limit),
            Access::Mongodb(access) => mongodb::restore(access, restoring, limit),
        }
    }
}
