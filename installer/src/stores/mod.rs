//! The data stores of a product: where they are, how they are dumped, proven and restored.
//!
//! What the product manifest says about a component's configuration becomes an [`Access`], which holds
//! secrets and lives in memory alone. The plan shows endpoints; the run finds the access anew.

pub mod access;
pub mod discover;
pub mod dumping;
pub mod engine;
pub mod record;

use crate::problem::Problem;

pub use crate::host::cmd::Limit;
pub use access::Access;
pub use discover::{Discovery, FoundStore, FoundStores, UnclearStore, discover};

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
