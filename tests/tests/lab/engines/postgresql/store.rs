//! A store as the installer knows it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use installer::host::Host as _;
use installer::host::linux::LinuxHost;
use installer::layout::Layout;
use installer::stores::access::{Access, PostgresqlAccess};
use installer::stores::engine::{DumpedPart, Restoring};
use installer::stores::{Limit, StoreError, StoreLook};

pub(crate) const DATABASE: &str = "database.dump";
pub(crate) const GLOBALS: &str = "globals.sql";

pub(crate) struct Store {
    host: LinuxHost,
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
            host: LinuxHost::new(&Layout::of_running(Path::new("/"))),
            access: Access::Postgresql(PostgresqlAccess::parse(dsn).unwrap()),
            time: Duration::from_secs(120),
        }
    }

    fn limit<'a>(&self, stopped: &'a dyn Fn() -> bool) -> Limit<'a> {
        let time = self.time;
        Limit { time, stopped }
    }

    pub(crate) fn look(&self) -> Result<StoreLook, StoreError> {
        self.host.store_look(&self.access, self.limit(&|| false))
    }

    pub(crate) fn dump_part(&self, part: &str, into: &File) -> Result<(), StoreError> {
        self.host
            .store_dump(&self.access, part, into, self.limit(&|| false))
    }

    pub(crate) fn prove(&self, part: &str, file: &File) -> Result<Option<u64>, StoreError> {
        self.host
            .store_prove(&self.access, part, file, self.limit(&|| false))
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
        self.host
            .store_restore(&self.access, &restoring, self.limit(stopped))
    }
}
