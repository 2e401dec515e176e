//! The kinds of store, each in its own room: how it is inspected, dumped, proven and restored.
//!
//! A dump goes into an open file without a final name. The file gets its name after the store's own
//! tool has proven that the dump is whole (`stores/dumping.rs`).

mod by_hand;
mod mongodb;
mod postgresql;
mod redis;
mod site;

use std::fs::File;

use manifests::product::{Engine as Kind, StoreRule};

use self::site::Site;
use super::discover::Look;
use super::{Limit, RehearsalMark, ServerWords, StoreError, StoreLook, Stores};
use crate::host::Host;
use crate::layout::Layout;

pub use mongodb::MongodbAccess;
pub use postgresql::PostgresqlAccess;
pub use redis::{RedisAccess, RedisKind};

/// A part of a dump that is restored.
#[derive(Debug)]
pub struct DumpedPart {
    /// Its name, as [`StoreLook::parts`] had it.
    pub name: String,
    /// Its content, from the start.
    pub file: File,
}

/// What a restore is asked to do.
#[derive(Debug)]
pub struct Restoring<'a> {
    /// The run, for names of what is kept aside.
    pub run: u64,
    /// The parts of the dump, in order.
    pub parts: &'a [DumpedPart],
    /// How many items the dump was proven to hold.
    pub items: Option<u64>,
}

/// How a note of a restore begins that a person has to look at: a part of the store is not as it was.
pub const LEFT_EMPTY: &str = "not restored: ";

/// What one kind of store can do. Implemented by the access to a store of that kind.
pub(crate) trait Engine {
    /// Returns where the store is, without secrets.
    fn endpoint(&self) -> String;
    /// Inspects the store without changing anything.
    fn look(&self, site: &Site<'_>) -> Result<StoreLook, StoreError>;
    /// Writes one part of a dump into a new file.
    fn dump(&self, site: &Site<'_>, part: &str, into: &File) -> Result<(), StoreError>;
    /// Proves with the store's own tool that a part of a dump can be read, and returns how many items it
    /// holds.
    fn prove(&self, site: &Site<'_>, part: &str, file: &File) -> Result<Option<u64>, StoreError>;
    /// Puts a dump in the place of what the store holds.
    fn restore(
        &self,
        site: &Site<'_>,
        restoring: &Restoring<'_>,
    ) -> Result<Vec<String>, StoreError>;
    /// Tries out whether a dump could be restored.
    fn rehearse(
        &self,
        _site: &Site<'_>,
        _mark: &RehearsalMark,
    ) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
    /// Removes what interrupted rehearsals left on the server.
    fn clear_rehearsal(&self, _site: &Site<'_>, _mark: &RehearsalMark) -> Result<(), StoreError> {
        Ok(())
    }
    /// Asks the server which store it is and who else uses it.
    fn words(&self, _: &Site<'_>) -> ServerWords {
        ServerWords::none("this tool cannot ask such a server")
    }
    /// Whether a dump lacks items that the store held before it.
    fn misses(&self, before: u64, dumped: u64) -> bool {
        dumped < before
    }
}

/// Access to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Redis.
    Redis(RedisAccess),
    /// `PostgreSQL`.
    Postgresql(PostgresqlAccess),
    /// `MongoDB`.
    Mongodb(MongodbAccess),
}

impl Access {
    /// Reads the access to a store of one kind from a component's settings. Returns nothing if the
    /// component does not use the store.
    pub(super) fn of(
        kind: Kind,
        look: &Look<'_>,
        rule: &StoreRule,
    ) -> Result<Option<Self>, String> {
        let undefined = "the product manifest does not define where it is";
        let redis = rule.redis.as_ref().ok_or(undefined);
        let database = rule.database.as_ref().ok_or(undefined);
        Ok(match kind {
            Kind::Redis => RedisAccess::of(look, redis?)?.map(Self::Redis),
            Kind::Postgresql => Some(Self::Postgresql(PostgresqlAccess::of(look, database?)?)),
            Kind::Mongodb => MongodbAccess::of(look, database?)?.map(Self::Mongodb),
        })
    }

    /// Returns the kind of store.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Redis(_) => Kind::Redis,
            Self::Postgresql(_) => Kind::Postgresql,
            Self::Mongodb(_) => Kind::Mongodb,
        }
    }

    /// Returns the same access for dumps without the data of some tables or collections. Redis has
    /// none.
    #[must_use]
    pub fn without_data_of(&self, exclude: &[String]) -> Self {
        let mut access = self.clone();
        match &mut access {
            Self::Redis(_) => {}
            Self::Postgresql(access) => access.exclude = exclude.to_vec(),
            Self::Mongodb(access) => access.exclude = exclude.to_vec(),
        }
        access
    }

    /// Returns the tables or collections whose data are not dumped.
    pub(super) fn exclude(&self) -> &[String] {
        match self {
            Self::Redis(_) => &[],
            Self::Postgresql(access) => &access.exclude,
            Self::Mongodb(access) => &access.exclude,
        }
    }

    pub(super) fn engine(&self) -> &dyn Engine {
        match self {
            Self::Redis(access) => access,
            Self::Postgresql(access) => access,
            Self::Mongodb(access) => access,
        }
    }

    /// Returns where the store is, without secrets. A plan shows this, and two components with the
    /// same endpoint use the same store.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.engine().endpoint()
    }
}

/// The stores as this host reaches them, through the tools of their servers.
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

    fn site<'s>(&'s self, limit: Limit<'s>) -> Site<'s> {
        Site::new(self.host, self.layout, limit)
    }
}

impl Stores for HostStores<'_> {
    fn look(&self, access: &Access, limit: Limit<'_>) -> Result<StoreLook, StoreError> {
        access.engine().look(&self.site(limit))
    }

    fn dump(
        &self,
        access: &Access,
        part: &str,
        into: &File,
        limit: Limit<'_>,
    ) -> Result<(), StoreError> {
        access.engine().dump(&self.site(limit), part, into)
    }

    fn prove(
        &self,
        access: &Access,
        part: &str,
        file: &File,
        limit: Limit<'_>,
    ) -> Result<Option<u64>, StoreError> {
        access.engine().prove(&self.site(limit), part, file)
    }

    fn rehearse(
        &self,
        access: &Access,
        mark: &RehearsalMark,
        limit: Limit<'_>,
    ) -> Result<Option<String>, StoreError> {
        access.engine().rehearse(&self.site(limit), mark)
    }

    fn clear_rehearsal(
        &self,
        access: &Access,
        mark: &RehearsalMark,
        limit: Limit<'_>,
    ) -> Result<(), StoreError> {
        access.engine().clear_rehearsal(&self.site(limit), mark)
    }

    fn restore(
        &self,
        access: &Access,
        restoring: &Restoring<'_>,
        limit: Limit<'_>,
    ) -> Result<Vec<String>, StoreError> {
        access.engine().restore(&self.site(limit), restoring)
    }

    fn words(&self, access: &Access, limit: Limit<'_>) -> ServerWords {
        access.engine().words(&self.site(limit))
    }
}
