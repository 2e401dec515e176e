//! A restore is tried out before anything changes (H-24): what no look can see is found, and nothing
//! stays on the server.

use installer::stores::RehearsalMark;

use super::cluster::Cluster;
use super::store::Store;

fn with_shop() -> (Cluster, Store) {
    let cluster = Cluster::start("host all all 127.0.0.1/32 trust", &[]);
    cluster.sql("postgres", "CREATE ROLE keeper LOGIN CREATEDB");
    cluster.sql("postgres", "CREATE DATABASE shop OWNER keeper");
    cluster.sql(
        "shop",
        "SET ROLE keeper; CREATE TABLE items (id serial PRIMARY KEY, name text);
         INSERT INTO items (name) VALUES ('one'); CREATE TABLE logged_2 (line text)",
    );
    let dsn = format!(
        "host=127.0.0.1 port={} user=keeper dbname=shop",
        cluster.port
    );
    (cluster, Store::new(&dsn))
}

fn mark(host: &str, run: u64) -> RehearsalMark {
    RehearsalMark {
        host: host.to_owned(),
        run,
    }
}

#[test]
fn a_restore_is_tried_out_and_nothing_of_it_stays() {
    let (cluster, store) = with_shop();
    let (databases, text) = (cluster.databases(), cluster.text("shop"));
    let store = store.without(&["logged_*"]);
    // A trial of another host is at work, and one of this host was cut off.
    for name in ["shop_airgap_try_0ther0_9", "shop_airgap_try_cafe01_4"] {
        cluster.sql(
            "postgres",
            &format!("CREATE DATABASE {name} OWNER keeper CONNECTION LIMIT 1146903517"),
        );
    }
    // The name alone is no reason to drop a database.
    cluster.sql(
        "postgres",
        "CREATE DATABASE shop_airgap_try_cafe01_3 OWNER keeper",
    );
    let note = store.rehearse(&mark("cafe01", 5)).unwrap();
    assert!(note.is_some_and(|note| note.contains("tried out")));
    let expected = |more: &[&str]| {
        let more = more.iter().map(|name| (*name).to_owned());
        let mut all: Vec<String> = databases.iter().cloned().chain(more).collect();
        all.sort();
        all
    };
    let sorted = || {
        let mut all = cluster.databases();
        all.sort();
        all
    };
    let others = ["shop_airgap_try_0ther0_9", "shop_airgap_try_cafe01_3"];
    assert_eq!(sorted(), expected(&others));
    assert_eq!(cluster.text("shop"), text);

    cluster.sql(
        "postgres",
        "CREATE DATABASE shop_airgap_try_cafe01_6 OWNER keeper CONNECTION LIMIT 1146903517",
    );
    store.clear_rehearsal(&mark("cafe01", 6)).unwrap();
    assert_eq!(sorted(), expected(&others));
}

/// Each of these passes the look and makes a restore by this user fail.
#[test]
fn what_no_look_can_see_is_found_by_the_trial() {
    let (cluster, store) = with_shop();
    let databases = cluster.databases();
    for (made, gone, words) in [
        (
            "CREATE FUNCTION of_admin() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION of_admin()",
            "admin",
        ),
        (
            "CREATE TYPE of_admin AS ENUM ('a')",
            "DROP TYPE of_admin",
            "admin",
        ),
        (
            "CREATE SCHEMA of_admin AUTHORIZATION admin",
            "DROP SCHEMA of_admin",
            "admin",
        ),
        (
            "CREATE PUBLICATION all_of_it FOR ALL TABLES",
            "DROP PUBLICATION all_of_it",
            "superuser",
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE admin GRANT SELECT ON TABLES TO PUBLIC",
            "ALTER DEFAULT PRIVILEGES FOR ROLE admin REVOKE SELECT ON TABLES FROM PUBLIC",
            "may not do that",
        ),
    ] {
        cluster.sql("shop", made);
        assert_eq!(store.look().unwrap().not_restorable, None, "{made}");
        let error = store.rehearse(&mark("cafe01", 2)).unwrap_err();
        assert!(
            error.what.contains("tried out, and failed"),
            "{made}: {error}"
        );
        assert!(error.why.contains(words), "{made}: {error}");
        assert_eq!(cluster.databases(), databases, "{made}");
        cluster.sql("shop", gone);
    }
    store.rehearse(&mark("cafe01", 2)).unwrap();
}
