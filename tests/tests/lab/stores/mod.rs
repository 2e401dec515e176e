//! The stores that other tests stand on: each way to enter them, the components that use them, and
//! the pictures that compare the data of two moments.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod cli;
mod migrated;
mod pictures;
mod secrets;
mod variants;

use lab::isolated::{HostOptions, Image, IsolatedHost, RpmDatabase, baseline};
use lab::stores::{Stores, StoresOptions};
use lab::vendor::Fixtures;

/// A host that runs 5.2.5 on stores of its own.
struct Site {
    host: IsolatedHost,
    stores: Stores,
    fixtures: Fixtures,
}

/// Returns `None` without root; in CI that fails.
fn site(name: &str, options: StoresOptions) -> Option<Site> {
    site_on(RpmDatabase::Sqlite, name, options)
}

fn site_on(database: RpmDatabase, name: &str, options: StoresOptions) -> Option<Site> {
    let image = Image::prepare_with_or_skip(database)?;
    let fixtures = Fixtures::prepare().unwrap();
    let image = baseline::tyk_image(&image, &fixtures, "5.2.5").unwrap();
    let host = IsolatedHost::boot(&image, HostOptions::named(name)).unwrap();
    let stores = Stores::set_up(&host, options).unwrap();
    stores.connect(&host).unwrap();
    Some(Site {
        host,
        stores,
        fixtures,
    })
}

impl Site {
    fn sql(&self, sql: &str) -> String {
        self.stores.sql(&self.host, sql).unwrap()
    }

    fn redis(&self, command: &[&str]) -> String {
        let database = self.stores.options().redis_database;
        self.stores.redis(&self.host, database, command).unwrap()
    }

    /// The dashboard's own health report; empty when it does not answer.
    fn dashboards_health(&self) -> String {
        let (_, body) = self.host.http_get(3000, "/hello").unwrap();
        body
    }
}
