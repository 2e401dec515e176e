//! The dashboard's migration, which cannot be computed back.

use std::path::Path;
use std::time::Duration;

use lab::isolated::Result;
use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::stores::{Site, site};

const UNIT: &str = "tyk-dashboard.service";
const DEADLINE: Duration = Duration::from_secs(60);

impl Site {
    fn replace_dashboard(&self, version: &str) {
        let rpm = self.fixtures.rpm("tyk-dashboard", version, "el8", "x86_64");
        let inside = Path::new("/root/dashboard.rpm");
        self.host.copy_in(rpm.unwrap(), inside, 0o644).unwrap();
        let rpm = ["rpm", "-U", "--oldpackage", "/root/dashboard.rpm"];
        self.host.check(&rpm).unwrap();
        self.host
            .check(&["systemctl", "reset-failed", UNIT])
            .unwrap();
        self.host.check(&["systemctl", "restart", UNIT]).unwrap();
    }

    fn has_given_up(&self) -> Result<bool> {
        Ok(self.host.unit(UNIT)?.active == "failed")
    }
}

#[test]
fn a_newer_dashboard_migrates_and_an_older_one_then_refuses_to_start() {
    let options = StoresOptions::new(RedisAccess::Tls, PostgresAccess::Tls);
    let Some(site) = site("stores-migrated", options) else {
        return;
    };
    site.stores.fill(&site.host).unwrap();
    let before = site.stores.picture(&site.host).unwrap();

    site.replace_dashboard("5.3.2");
    site.stores.wait_until_well(&site.host).unwrap();
    let after = site.stores.picture(&site.host).unwrap();
    let schemas = "SELECT DISTINCT schema FROM tyk_apis";
    assert_eq!(site.sql(schemas), "2");
    assert_eq!(site.sql("SELECT count(*) FROM tyk_oas_migrations"), "60");
    let lost = "SELECT count(*) FROM tyk_apis WHERE definition::text LIKE '%target_url%'";
    assert_eq!(site.sql(lost), "0");
    let differences = before.differences(&after);
    let rows = |verb: &str| {
        let start = format!("table public.tyk_apis, row {verb}: ");
        differences
            .iter()
            .filter(|line| line.starts_with(&start))
            .count()
    };
    assert_eq!((rows("gone"), rows("new")), (60, 60), "{differences:#?}");

    site.replace_dashboard("5.2.5");
    site.host
        .wait_until("the older dashboard giving up", DEADLINE, |_| {
            site.has_given_up()
        })
        .unwrap();
    let journal = ["journalctl", "-u", UNIT, "--no-pager", "-n", "50"];
    let said = site.host.check(&journal).unwrap();
    assert!(
        said.contains("data was migrated by a newer version"),
        "{said}"
    );
    assert_eq!(site.sql(schemas), "2", "it changed nothing");

    site.replace_dashboard("5.3.2");
    site.stores.wait_until_well(&site.host).unwrap();
    let again = site.stores.picture(&site.host).unwrap();
    let apart = after
        .without_table("tyk_analytics")
        .differences(&again.without_table("tyk_analytics"));
    assert_eq!(
        apart,
        Vec::<String>::new(),
        "a second migration does nothing"
    );
}
