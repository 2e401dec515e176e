//! A dump is restored, and the replaced database is kept.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::cluster::Cluster;
use super::store::{GLOBALS, Store};

const ODD: &str = "shöp \"x' \\1";
const ODD_SQL: &str = "\"shöp \"\"x' \\1\"";
const PASSWORD: &str = " pä'ss\\ wörd# ";

/// A database with objects of every kind, owned by `keeper`.
fn fill(cluster: &Cluster, database: &str) {
    cluster.sql(
        database,
        "SET ROLE keeper; SET standard_conforming_strings = on;
         CREATE SCHEMA \"Odd schema\";
         CREATE TABLE items (id serial PRIMARY KEY, name text, raw bytea, at timestamptz);
         INSERT INTO items (name, raw, at) VALUES ('grün 🐘', '\\x00ff5c27', now()), (NULL, NULL, NULL),
           (E'tab\\tand\\nline\\\\.', '', 'infinity');
         INSERT INTO items (name) SELECT repeat(md5(n::text), 20) FROM generate_series(1, 500) n;
         CREATE TABLE \"Odd schema\".parted (k int) PARTITION BY RANGE (k);
         CREATE TABLE \"Odd schema\".low PARTITION OF \"Odd schema\".parted FOR VALUES FROM (0) TO (9);
         CREATE TABLE \"Odd schema\".empty (v jsonb);
         INSERT INTO \"Odd schema\".parted VALUES (1), (2);
         CREATE VIEW named AS SELECT id, name FROM items WHERE name IS NOT NULL;
         CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM items;
         CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
         CREATE INDEX ON items (lower(name)) WHERE name IS NOT NULL;
         CREATE SEQUENCE far START 4000000000;
         SELECT nextval('far'), lo_from_bytea(4711, '\\xdeadbeef00');
         GRANT SELECT ON items TO PUBLIC;",
    );
}

fn keeper(cluster: &Cluster) {
    cluster.sql("postgres", "CREATE ROLE keeper LOGIN CREATEDB PASSWORD 'k'");
}

fn with_shop(hba: &str) -> Cluster {
    let cluster = Cluster::start(hba, &[]);
    keeper(&cluster);
    cluster.sql("postgres", "CREATE DATABASE shop OWNER keeper");
    fill(&cluster, "shop");
    cluster
}

fn store(cluster: &Cluster) -> Store {
    Store::new(&format!(
        "host=127.0.0.1 port={} user=keeper dbname=shop",
        cluster.port
    ))
}

fn properties(cluster: &Cluster, database: &str) -> String {
    cluster.sql(
        database,
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, \
         datconnlimit, datallowconn, (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM \
         unnest(datacl) a), shobj_description(oid, 'pg_database'), \
         (SELECT string_agg(setrole::regrole::text || setconfig::text, ',' ORDER BY setrole) FROM \
         pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d \
         WHERE datname = current_database()",
    )
}

#[test]
fn a_restored_database_is_the_dumped_one_and_the_replaced_one_is_kept() {
    let cluster = Cluster::start("host all all 127.0.0.1/32 scram-sha-256", &[]);
    let word = PASSWORD.replace('\'', "''");
    cluster.sql(
        "postgres",
        &format!("CREATE ROLE keeper LOGIN CREATEDB PASSWORD '{word}'; CREATE ROLE reader"),
    );
    cluster.sql(
        "postgres",
        &format!("CREATE DATABASE {ODD_SQL} OWNER keeper TEMPLATE template0 LC_COLLATE 'C' CONNECTION LIMIT 7"),
    );
    cluster.sql(
        "postgres",
        &format!(
            "COMMENT ON DATABASE {ODD_SQL} IS 'it''s kept';
             REVOKE CONNECT ON DATABASE {ODD_SQL} FROM PUBLIC;
             GRANT CONNECT ON DATABASE {ODD_SQL} TO reader WITH GRANT OPTION;
             ALTER DATABASE {ODD_SQL} SET search_path TO \"$user\", public, \"Odd schema\";
             ALTER DATABASE {ODD_SQL} SET default_text_search_config TO 'pg_catalog.simple';
             ALTER ROLE keeper IN DATABASE {ODD_SQL} SET work_mem TO '5MB'"
        ),
    );
    fill(&cluster, ODD);
    // A word that ends with a space does not fit into the file that the tools read.
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let store = Store::new(&format!(
        "host = 127.0.0.1 port={} user=keeper password='{}' database='{}' TimeZone=UTC",
        cluster.port,
        quoted(PASSWORD),
        quoted(ODD)
    ));

    let look = store.look().unwrap();
    assert!(
        look.version
            .starts_with(&cluster.sql(ODD, "SHOW server_version")[..2])
    );
    assert_eq!(look.not_restorable, None);
    let dump = store.dump();
    assert_eq!((dump.items, look.items), (Some(3), Some(3)));
    let size = dump.database.metadata().unwrap().len();
    assert!(size > 1000 && size < look.bytes, "{size} {}", look.bytes);

    let (before, was) = (cluster.text(ODD), properties(&cluster, ODD));
    cluster.sql(
        ODD,
        "DROP TABLE items CASCADE; CREATE TABLE newer AS SELECT 1; SELECT lo_unlink(4711)",
    );
    let changed = cluster.text(ODD);
    let notes = store.restore(&dump, 7).unwrap();

    let kept = format!("{ODD}_before_revert_7");
    assert!(notes.len() == 1 && notes[0].contains(&kept), "{notes:?}");
    assert_eq!(cluster.text(ODD), before);
    assert_eq!(properties(&cluster, ODD), was);
    assert_eq!(cluster.text(&kept), changed);
    assert_eq!(properties(&cluster, &kept), was);
    assert_eq!(cluster.databases().len(), 3, "{:?}", cluster.databases());

    // Once more, as after a cut that came too late to be recorded: nothing is overwritten.
    let notes = store.restore(&dump, 7).unwrap();
    assert!(notes[0].contains(&format!("{kept}_2")), "{notes:?}");
    assert_eq!(cluster.text(ODD), before);
    assert_eq!(cluster.text(&kept), changed);
    assert_eq!(cluster.text(&format!("{kept}_2")), before);
}

#[test]
fn urls_and_sockets_lead_to_the_same_database() {
    let cluster = with_shop("local all all trust\nhost all all 127.0.0.1/32 password");
    let (port, socket) = (cluster.port, cluster.socket());
    let socket = socket.to_str().unwrap();
    let encoded = socket.replace('/', "%2F");
    for dsn in [
        format!("postgres://keeper:k@127.0.0.1:{port}/shop?sslmode=disable&TimeZone=UTC"),
        // The first of the hosts does not answer.
        format!("postgresql://keeper:k@127.0.0.1:1,127.0.0.1:{port}/shop"),
        format!("postgres:///shop?host={socket}&port={port}&user=keeper"),
        format!("postgres://keeper@{encoded}:{port}/shop"),
        format!("host={socket} port={port} user=keeper dbname=shop"),
    ] {
        let store = Store::new(&dsn);
        assert_eq!(store.look().unwrap().items, Some(3), "{dsn}");
        assert_eq!(store.dump().items, Some(3), "{dsn}");
    }
}

#[test]
fn an_empty_database_is_dumped_and_restored() {
    let cluster = with_shop("");
    cluster.sql("postgres", "CREATE DATABASE void OWNER keeper");
    let store = Store::new(&format!(
        "host=127.0.0.1 port={} user=keeper dbname=void",
        cluster.port
    ));
    let dump = store.dump();
    assert_eq!(dump.items, Some(0));
    let before = cluster.text("void");
    cluster.sql("void", "CREATE TABLE newer (i int)");
    store.restore(&dump, 1).unwrap();
    assert_eq!(cluster.text("void"), before);
}

#[test]
fn a_restore_that_is_cut_off_anywhere_can_be_done_again() {
    let cluster = with_shop("");
    let store = store(&cluster);
    let dump = store.dump();
    let before = cluster.text("shop");
    cluster.sql("shop", "TRUNCATE items");
    let changed = cluster.text("shop");
    // Counts how often a whole restore asks whether it should stop.
    let asked = Cell::new(0);
    store
        .restore_until(&dump, 1, &|| {
            asked.set(asked.get() + 1);
            false
        })
        .unwrap();
    assert_eq!(cluster.text("shop"), before);
    let all = asked.get();
    assert!(all > 20, "{all}");
    let mut cut = 0;
    for (run, after) in (2..).zip((1..all).step_by(all / 12)) {
        cluster.sql("shop", "TRUNCATE items");
        let asked = Cell::new(0);
        let result = store.restore_until(&dump, run, &|| {
            asked.set(asked.get() + 1);
            asked.get() > after
        });
        // The cut killed the running tool, and no tool was started to tidy up.
        if result.is_err() {
            cut += 1;
            assert_eq!(cluster.text("shop"), changed, "cut after {after} of {all}");
        }
        store.restore(&dump, run).unwrap();
        assert_eq!(cluster.text("shop"), before, "cut after {after} of {all}");
        let left: Vec<String> = cluster.databases();
        assert!(
            !left.iter().any(|name| name.contains("_airgap_")),
            "{left:?}"
        );
    }
    assert!(cut > 5, "{cut}");
}

#[test]
fn a_database_that_is_not_ours_is_neither_dropped_nor_overwritten() {
    let cluster = with_shop("");
    let store = store(&cluster);
    let dump = store.dump();
    let before = cluster.text("shop");
    for name in ["shop_airgap_3", "shop_before_revert_3"] {
        cluster.sql("postgres", &format!("CREATE DATABASE {name} OWNER keeper"));
        cluster.sql(name, "CREATE TABLE somebodys (i int)");
    }
    cluster.sql(
        "shop",
        "TRUNCATE items; ALTER DATABASE shop SET log_statement TO 'ddl'",
    );
    let notes = store.restore(&dump, 3).unwrap();
    assert!(notes[0].contains("shop_before_revert_3_2"), "{notes:?}");
    // A setting that only a superuser may make is reported, not passed over.
    assert!(
        notes.len() == 2 && notes[1].contains("`log_statement`"),
        "{notes:?}"
    );
    assert_eq!(cluster.text("shop"), before);
    for name in ["shop_airgap_3", "shop_before_revert_3"] {
        assert_eq!(cluster.sql(name, "SELECT count(*) FROM somebodys"), "0");
    }
}

#[test]
fn a_database_that_is_gone_comes_back() {
    let cluster = with_shop("");
    let store = store(&cluster);
    let dump = store.dump();
    let before = cluster.text("shop");
    cluster.sql("postgres", "DROP DATABASE shop");
    assert_eq!(store.restore(&dump, 1).unwrap(), Vec::<String>::new());
    assert_eq!(cluster.text("shop"), before);
}

#[test]
fn clients_that_come_back_at_once_do_not_stand_in_the_way() {
    let cluster = with_shop("");
    let store = store(&cluster);
    let dump = store.dump();
    let before = cluster.text("shop");
    cluster.sql("shop", "TRUNCATE items");
    let (is_over, connected) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut client = cluster.psql("shop");
                    client.env("PGUSER", "keeper").args(["-U", "keeper", "-c"]);
                    let done = client.arg("SELECT pg_sleep(0.3)").output().unwrap();
                    connected.fetch_add(usize::from(done.status.success()), Ordering::Relaxed);
                }
            });
        }
        // The clients have to end, whatever the result is.
        let result = store.restore(&dump, 1);
        is_over.store(true, Ordering::Relaxed);
        result.unwrap();
    });
    assert!(connected.load(Ordering::Relaxed) > 0);
    assert_eq!(cluster.text("shop"), before);
}

#[test]
fn a_session_that_may_not_be_ended_is_named() {
    let cluster = with_shop("");
    let store = store(&cluster);
    let dump = store.dump();
    cluster.sql("shop", "TRUNCATE items");
    let before = cluster.text("shop");
    let session = cluster.session("shop", "SELECT pg_sleep(600)");
    let error = store.restore(&dump, 1).unwrap_err();
    assert!(error.why.contains("admin (process "), "{error}");
    assert!(error.next.contains("close these connections"), "{error}");
    assert_eq!(cluster.databases(), ["postgres", "shop"]);
    assert_eq!(cluster.text("shop"), before);
    drop(session);
    cluster.end_sessions("shop");
    store.restore(&dump, 1).unwrap();
}

#[test]
fn roles_are_dumped_without_their_passwords() {
    let cluster = with_shop("");
    let dump = store(&cluster).dump();
    let mut text = String::new();
    std::io::Seek::rewind(&mut &dump.globals).unwrap();
    std::io::Read::read_to_string(&mut &dump.globals, &mut text).unwrap();
    assert!(text.contains("CREATE ROLE keeper"), "{text}");
    assert!(
        !text.contains("SCRAM") && !text.contains("PASSWORD"),
        "{text}"
    );
    let cut = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &cut, &text.as_bytes()[..text.len() / 2]).unwrap();
    let error = store(&cluster).prove(GLOBALS, &cut).unwrap_err();
    assert!(error.why.contains("last line is missing"), "{error}");
}
