//! The data stores of a product: where they are, how they are dumped, proven and restored.
//!
//! What the product manifest says about a component's configuration becomes an [`Access`], which holds
//! secrets and lives in memory alone. The plan shows endpoints; the run finds the access anew.

pub mod access;
pub mod discover;
pub mod dumping;
mod engine;
pub mod record;

use std::fs::File;

use crate::problem::Problem;

pub use crate::host::cmd::Limit;
pub use discover::{Discovery, FoundStore, FoundStores, UnclearStore, discover};
pub use engine::{
    Access, DumpedPart, HostStores, MongodbAccess, PostgresqlAccess, RedisAccess, RedisKind,
    Restoring,
};

/// What can be done with a data store. [`HostStores`] is the real implementation.
pub trait Stores {
    /// Looks at a store without changing anything, to find whether it can be dumped.
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
    /// Puts a dump in the place of what the store holds, which is kept aside where the store allows
    /// it; the notes name the place. A restore that was cut off can be repeated.
    fn restore(
        &self,
        access: &Access,
        restoring: &Restoring<'_>,
        limit: Limit<'_>,
    ) -> Result<Vec<String>, StoreError>;
}

/// What a look at a store tells before it is dumped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreLook {
    /// The server's version.
    pub version: String,
    /// How many bytes a dump may take, at most, as far as the server can tell.
    pub bytes: u64,
    /// How many keys, tables or collections there are, if the server tells.
    pub items: Option<u64>,
    /// The files that make a dump, by name, in order.
    pub parts: Vec<String>,
    /// Why this host cannot restore a dump of it, if so; for people, with what to do.
    pub not_restorable: Option<Problem>,
}

/// What a store does not let us do, in three parts.
pub use crate::failure::Explained as StoreError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string(), error.next)
    }
}
