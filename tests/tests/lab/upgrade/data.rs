//! Upgrades, reverts and undos on real data stores: every row and every key is what it should be.

use lab::stores::{PostgresAccess, RedisAccess, Stores, StoresOptions, StoresPicture};

use crate::upgrade::support::{Site, changes, say, site};

/// The pump writes it all the time.
const WRITTEN: &str = "public.tyk_analytics";

pub(crate) struct Data {
    pub(crate) stores: Stores,
    pub(crate) before: StoresPicture,
}

impl Data {
    pub(crate) fn on(site: &Site, options: StoresOptions) -> Self {
        let stores = Stores::set_up(&site.host, options).unwrap();
        stores.connect(&site.host).unwrap();
        stores.fill(&site.host).unwrap();
        let before = stores.picture(&site.host).unwrap();
        Self { stores, before }
    }

    /// Checks that everything is as it was, except for the pump's new rows; none of its old rows is
    /// missing.
    pub(crate) fn check_unchanged(&self, site: &Site) {
        self.stores.wait_until_well(&site.host).unwrap();
        let after = self.stores.picture(&site.host).unwrap();
        let [was, is] =
            [&self.before, &after].map(|picture| picture.without_table("tyk_analytics"));
        assert_eq!(was.differences(&is), Vec::<String>::new());
        let kept = after.rows(WRITTEN);
        let rows = self.before.rows(WRITTEN).iter();
        let lost: Vec<_> = rows.filter(|row| !kept.contains(row)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        say(&format!(
            "data: {} keys and {} tables as before",
            self.before.keys(0) + self.before.keys(1),
            self.before.tables().count()
        ));
    }

    pub(crate) fn schema(&self, site: &Site) -> String {
        let asked = "SELECT DISTINCT schema FROM tyk_apis";
        self.stores.sql(&site.host, asked).unwrap()
    }
}

fn fails_and_brings_the_data_back(name: &str, dashboard: &str, pump: &str, options: StoresOptions) {
    let Some(site) = site(name) else { return };
    let data = Data::on(&site, options);
    let files = site.snapshot();
    site.carry(&site.forge("5.3.2", dashboard, pump));
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    // A migration has run, so the revert had data to restore.
    let journal = ["journalctl", "-u", "tyk-dashboard.service", "--no-pager"];
    let said = site.host.check(&journal).unwrap();
    assert!(
        said.contains("migrating API definitions from schema 1 to 2"),
        "{said}"
    );
    data.check_unchanged(&site);
    assert_eq!(changes(&files, &site.snapshot()), Vec::<String>::new());
    // The data of the failed attempt are in a dump that the store's own tool reads.
    let aside = "cat /var/lib/airgap-bundle/runs/1/backup/aside/dashboard-main/database.dump \
                 | pg_restore -f - --data-only --table=tyk_apis";
    let aside = site.host.check(&["sh", "-c", aside]).unwrap();
    let rows = aside.lines().filter(|line| line.contains("\t2\t")).count();
    assert!(rows > 0, "no migrated row in what was kept aside: {aside}");
    for password in data.stores.passwords() {
        assert!(!run.stdout.contains(password) && !run.stderr.contains(password));
    }
}

#[test]
fn a_pump_that_exits_after_the_dashboard_migrated() {
    let options = StoresOptions::new(RedisAccess::Acl, PostgresAccess::Password);
    fails_and_brings_the_data_back("data-pump", "5.3.2", "1.10.1", options);
}

#[test]
fn stores_behind_tls_and_urls() {
    let mut options = StoresOptions::new(RedisAccess::Tls, PostgresAccess::Tls);
    options.url = true;
    fails_and_brings_the_data_back("data-tls", "5.3.2", "1.10.1", options);
}

#[test]
fn an_undo_asks_what_to_do_with_data_and_does_it() {
    let Some(site) = site("data-undo") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    let data = Data::on(&site, options);
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let plan = site.must_install(&["plan", "/root/bundle.tar.zst"]);
    assert!(plan.stdout.contains("IRREVERSIBLE"), "{}", plan.stdout);
    site.must_install(&["/root/bundle.tar.zst"]);
    data.stores.wait_until_well(&site.host).unwrap();
    assert_eq!(data.schema(&site), "2");
    // The upgrade does not migrate Redis.
    let after = data.stores.picture(&site.host).unwrap();
    let differences = data.before.differences(&after);
    let redis: Vec<_> = differences
        .iter()
        .filter(|line| line.starts_with("redis"))
        .collect();
    assert!(redis.is_empty(), "{redis:?}");

    site.must_install(&["backup", "verify"]);
    let listed = site.must_install(&["backup", "list"]);
    assert!(
        listed.stdout.contains("dashboard-main"),
        "{}",
        listed.stdout
    );
    let refused = site.install(&["undo", "1"]);
    assert_eq!(refused.code(), Some(4), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--restore-data"),
        "{}",
        refused.stderr
    );
    assert_eq!(data.schema(&site), "2");
    site.must_install(&["undo", "1", "--restore-data"]);
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    data.check_unchanged(&site);
}

#[test]
fn a_dump_comes_back_without_touching_a_package() {
    let Some(site) = site("data-restore") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    let data = Data::on(&site, options);
    // The dashboard stays at its version, so nothing is migrated; the upgrade uses the same data.
    site.carry(&site.without_dashboard("5.3.2", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    let nevras = site.nevras();
    data.stores.sql(&site.host, "DELETE FROM tyk_apis").unwrap();
    data.stores.redis(&site.host, 0, &["FLUSHALL"]).unwrap();
    site.must_install(&[
        "backup",
        "restore",
        "1",
        "--store",
        "gateway-redis",
        "--store",
        "dashboard-main",
    ]);
    data.check_unchanged(&site);
    assert_eq!(site.nevras(), nevras);
}
