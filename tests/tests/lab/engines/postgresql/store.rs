//! A store as the installer knows it.

use std::fs::File;
use std::time::Duration;

use installer::stores::{
    Access, DumpedPart, Limit, PostgresqlAccess, RehearsalMark, Restoring, StoreError, StoreLook,
    Stores as _,
};

use crate::engines::stores;

pub(crate) const DATABASE: &str = "database.dump";
pub(crate) const GLOBALS: &str = "globals.sql";

pub(crate) struct Store {
    access: Access,
    pub(crate) time: Duration,
}

/// The parts of a dump, and how much the first of them was proven to hold.
pub(crate) struct Dump {
    pub(crate) database: File,
    pub(crate) globals: File,
    pub(crate) items: Option<u64>,
}

impl Store {
    pub(crate) fn new(dsn: &str) -> Self {
        Self {
            access: Access::Postgresql(PostgresqlAccess::parse(dsn).unwrap()),
            time: Duration::from_secs(120),
        }
    }

    /// The same without the data of some tables.
    pub(crate) fn without(&self, exclude: &[&str]) -> Self {
        let exclude: Vec<String> = exclude.iter().map(|name| (*name).to_owned()).collect();
        Self {
            access: self.access.without_data_of(&exclude),
            time: self.time,
        }
    }

    pub(crate) fn rehearse(&self, mark: &RehearsalMark) -> Result<Option<String>, StoreError> {
        stores().rehearse(&self.access, mark, self.limit(&|| false))
    }

    pub(crate) fn clear_rehearsal(&self, mark: &RehearsalMark) -> Result<(), StoreError> {
        stores().clear_rehearsal(&self.access, mark, self.limit(&|| false))
    }

    fn limit<'a>(&self, stopped: &'a dyn Fn() -> bool) -> Limit<'a> {
        let time = self.time;
        Limit { time, stopped }
    }

    pub(crate) fn look(&self) -> Result<StoreLook, StoreError> {
        stores().look(&self.access, self.limit(&|| false))
    }

    pub(crate) fn dump_part(&self, part: &str, into: &File) -> Result<(), StoreError> {
        stores().dump(&self.access, part, into, self.limit(&|| false))
    }

    pub(crate) fn prove(&self, part: &str, file: &File) -> Result<Option<u64>, StoreError> {
        stores().prove(&self.access, part, file, self.limit(&|| false))
    }

    /// Dumps everything and proves it.
    pub(crate) fn dump(&self) -> Dump {
        let (database, globals) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        self.dump_part(DATABASE, &database).unwrap();
        self.dump_part(GLOBALS, &globals).unwrap();
        assert_eq!(self.prove(GLOBALS, &globals).unwrap(), None);
        let items = self.prove(DATABASE, &database).unwrap();
        Dump {
            database,
            globals,
            items,
        }
    }

    pub(crate) fn restore(&self, dump: &Dump, run: u64) -> Result<Vec<String>, StoreError> {
        self.restore_until(dump, run, &|| false)
    }

    pub(crate) fn restore_until(
        &self,
        dump: &Dump,
        run: u64,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<String>, StoreError> {
        let part = |name: &str, file: &File| DumpedPart {
            name: name.to_owned(),
            file: file.try_clone().unwrap(),
        };
        let parts = [part(DATABASE, &dump.database), part(GLOBALS, &dump.globals)];
        let items = dump.items;
        let restoring = Restoring {
            run,
            parts: &parts,
            items,
        };
        stores().restore(&self.access, &restoring, self.limit(stopped))
    }
}
