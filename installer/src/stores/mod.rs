//! The data stores of a product: where they are, how they are dumped, proven and restored.
//!
//! The product manifest's rules about a component's configuration give an [`Access`], which holds
//! secrets and stays in memory. The plan shows endpoints; the run finds the access again.

pub mod access;
pub mod clients;
pub mod discover;
pub mod dumping;
mod engine;
mod here;
pub mod record;

use std::fs::File;

use crate::problem::Problem;

pub use crate::host::cmd::Limit;
pub use clients::{Others, ServerIdentity, ServerWords};
pub use discover::{Discovery, FoundStore, FoundStores, UnclearStore, discover};
pub use engine::*;

/// What the installer does with a data store. [`HostStores`] is the real implementation.
pub trait Stores {
    /// Inspects a store without changing anything, to find whether it can be dumped.
    fn look(&self, access: &Access, limit: Limit<'_>) -> Result<StoreLook, StoreError>;
    /// Writes one part of a store's dump into a new file.
    fn dump(
        &self,
        access: &Access,
        part: &str,
        into: &File,
        limit: Limit<'_>,
    ) -> Result<(), StoreError>;
    /// Proves that a part of a dump can be read, and returns how many items it holds.
    fn prove(
        &self,
        access: &Access,
        part: &str,
        file: &File,
        limit: Limit<'_>,
    ) -> Result<Option<u64>, StoreError>;
    /// Tries out whether a dump of the store could be restored, and leaves the store as it is. Returns
    /// a note, if anything was tried. The default tries nothing: the look decides.
    fn rehearse(
        &self,
        _access: &Access,
        _mark: &RehearsalMark,
        _limit: Limit<'_>,
    ) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
    /// Removes what interrupted rehearsals of a host left on the server.
    fn clear_rehearsal(
        &self,
        _access: &Access,
        _mark: &RehearsalMark,
        _limit: Limit<'_>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
    /// Puts a dump in the place of the store's content. The old content is kept aside where the
    /// store allows it; the notes name the place. An interrupted restore can be repeated.
    fn restore(
        &self,
        access: &Access,
        restoring: &Restoring<'_>,
        limit: Limit<'_>,
    ) -> Result<Vec<String>, StoreError>;
    /// Asks a server which store it is and who else uses it. A server that says nothing has words
    /// that are not known.
    fn words(&self, access: &Access, limit: Limit<'_>) -> ServerWords;
}

/// Marks what a rehearsal makes on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsalMark {
    /// The host, in few characters of a-z and 0-9.
    pub host: String,
    /// The run.
    pub run: u64,
}

/// What an inspection finds about a store before it is dumped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreLook {
    /// The server's version.
    pub version: String,
    /// Largest size of a dump in bytes, as far as the server reports it and nothing was measured.
    pub bytes: u64,
    /// How many bytes the server keeps for these data, if it reports that.
    pub raw_bytes: Option<u64>,
    /// Whether there are tables or collections whose data are not dumped.
    pub leaves_out: bool,
    /// How many keys, tables or collections there are, if the server reports it.
    pub items: Option<u64>,
    /// The files that make a dump, by name, in order.
    pub parts: Vec<String>,
    /// Why this host cannot restore a dump of the store, and what to do about it.
    pub not_restorable: Option<Problem>,
}

/// Why a store could not be used, in three parts.
pub use crate::failure::Explained as StoreError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string(), error.next)
    }
}
