//! Each way to enter the stores, with the product on top.

use std::time::Duration;

use lab::isolated::RpmDatabase;
use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::stores::{Site, site, site_on};

/// Characters that make a connection string hard to read.
const ODD_PASSWORD: &str = r#"it's a \ "b" @:/?#%&=$ пароль"#;
const ROWS: &str = "SELECT count(*) FROM tyk_analytics";

/// The dashboard, the gateway and the pump are well on the stores, and the stores refuse a login
/// without the password.
pub(super) fn works(site: &Site) {
    let Site { host, stores, .. } = site;
    assert_eq!(site.redis(&["SET", "seen", "yes"]), "OK");
    assert_eq!(site.redis(&["GET", "seen"]), "yes");
    assert_eq!(site.sql("SELECT count(*) FROM tyk_apis"), "0");
    host.wait_until("the pump writing", Duration::from_secs(30), |_| {
        Ok(site.sql(ROWS).parse::<u32>().unwrap() > 1)
    })
    .unwrap();
    let options = stores.options();
    let stranger = host.run(&["redis-cli", "GET", "seen"]).unwrap();
    let may = options.redis == RedisAccess::Plain;
    assert_eq!(stranger.stdout.contains("yes"), may, "{stranger}");
    let mut psql = host.command(&[
        "psql",
        "-w",
        "-h",
        "127.0.0.1",
        "-U",
        "tyk",
        "tyk_analytics",
    ]);
    if options.postgres == PostgresAccess::Tls {
        // The right password does not help without encryption.
        psql = psql
            .env("PGPASSWORD", stores.passwords()[1])
            .env("PGSSLMODE", "disable");
    }
    let stranger = psql.stdin("SELECT 1").run().unwrap();
    let may = options.postgres == PostgresAccess::Plain;
    assert_eq!(stranger.success(), may, "{stranger}");
}

#[test]
fn stores_without_passwords_and_then_a_user_who_may_dump_and_encryption_that_is_demanded() {
    let options = StoresOptions::new(RedisAccess::Plain, PostgresAccess::Plain);
    let Some(mut site) = site("stores-plain", options) else {
        return;
    };
    works(&site);

    let options = StoresOptions::new(RedisAccess::Acl, PostgresAccess::Tls);
    site.stores = lab::stores::Stores::set_up(&site.host, options).unwrap();
    site.stores.connect(&site.host).unwrap();
    works(&site);
    a_user_of_redis_may_dump_it_and_not_configure_it(&site);
}

#[test]
fn passwords_with_every_odd_letter() {
    let mut options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    options.redis_password = Some(ODD_PASSWORD.to_owned());
    options.postgres_password = Some(ODD_PASSWORD.to_owned());
    options.redis_database = 3;
    let Some(site) = site("stores-password", options.clone()) else {
        return;
    };
    works(&site);
    assert!(site.host.exists("/var/lib/redis/appendonlydir"));

    // The same as a URL, on the same host.
    options.url = true;
    let again = lab::stores::Stores::set_up(&site.host, options).unwrap();
    again.connect(&site.host).unwrap();
    assert_eq!(site.redis(&["GET", "seen"]), "yes", "it is kept");
    let before: u32 = site.sql(ROWS).parse().unwrap();
    site.host
        .wait_until("the pump writing", Duration::from_secs(30), |_| {
            Ok(site.sql(ROWS).parse::<u32>().unwrap() > before)
        })
        .unwrap();
}

fn a_user_of_redis_may_dump_it_and_not_configure_it(site: &Site) {
    let dump = site
        .stores
        .redis_cli(&site.host, 0, &["--rdb", "/root/dump.rdb"])
        .run()
        .unwrap();
    assert!(
        dump.success() && site.host.exists("/root/dump.rdb"),
        "{dump}"
    );
    assert!(
        site.stores
            .redis(&site.host, 0, &["CONFIG", "SET", "port", "1"])
            .is_err()
    );
}

#[test]
fn the_older_servers_of_the_older_host() {
    let options = StoresOptions::new(RedisAccess::Acl, PostgresAccess::Password);
    let Some(site) = site_on(RpmDatabase::BerkeleyDb, "stores-old", options) else {
        return;
    };
    works(&site);
    site.stores.fill(&site.host).unwrap();
    assert!(site.stores.picture(&site.host).unwrap().keys(0) > 100);
}

#[test]
fn a_dashboard_names_the_store_it_lacks_and_recovers() {
    let options = StoresOptions::new(RedisAccess::Password, PostgresAccess::Password);
    let Some(site) = site("stores-lost", options) else {
        return;
    };
    let deadline = Duration::from_secs(60);
    let postgres = "postgresql.service";
    for unit in ["redis-server.service", postgres] {
        site.host.check(&["systemctl", "stop", unit]).unwrap();
        site.host
            .wait_until("the dashboard noticing", deadline, |_| {
                Ok(site.dashboards_health().contains("error"))
            })
            .unwrap();
        if unit == postgres {
            // A dashboard that starts without its database serves nevertheless, and reports the
            // lack.
            site.host
                .check(&["systemctl", "restart", "tyk-dashboard.service"])
                .unwrap();
            site.host
                .wait_until("the dashboard answering", deadline, |_| {
                    Ok(site.dashboards_health().contains("error"))
                })
                .unwrap();
        }
        site.host.check(&["systemctl", "start", unit]).unwrap();
        site.stores.wait_until_well(&site.host).unwrap();
    }
}
