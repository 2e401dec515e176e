//! Tables whose data are not dumped (H-28): a restore leaves them as they are.

use installer::stores::LEFT_EMPTY;

use super::cluster::Cluster;
use super::store::Store;

#[expect(clippy::too_many_lines, reason = "one story in one database")]
#[test]
fn excluded_tables_are_not_dumped_and_keep_what_they_hold() {
    let cluster = Cluster::start("host all all 127.0.0.1/32 trust", &[]);
    cluster.sql("postgres", "CREATE ROLE keeper LOGIN CREATEDB");
    cluster.sql("postgres", "CREATE DATABASE shop OWNER keeper");
    cluster.sql(
        "shop",
        "SET ROLE keeper; CREATE TABLE apis (id int PRIMARY KEY, name text);
         INSERT INTO apis VALUES (1, 'old');
         CREATE TABLE tyk_analytics (id serial PRIMARY KEY, record text);
         INSERT INTO tyk_analytics (record) SELECT md5(n::text) FROM generate_series(1, 20000) n;
         CREATE TABLE \"tyk_analytics_2026\" (record text);
         INSERT INTO tyk_analytics_2026 VALUES ('x');
         CREATE TABLE tyk_analyticsx (k int) PARTITION BY RANGE (k);
         CREATE TABLE tyk_analytics_low PARTITION OF tyk_analyticsx FOR VALUES FROM (0) TO (9);
         INSERT INTO tyk_analyticsx VALUES (1);
         CREATE TABLE tyk_analytics_seen (k int PRIMARY KEY); INSERT INTO tyk_analytics_seen VALUES (1);
         CREATE VIEW seen AS SELECT k FROM tyk_analytics_seen;
         CREATE TABLE marks (k int REFERENCES tyk_analytics_seen); INSERT INTO marks VALUES (1);
         CREATE TABLE tyk_analytics_gone (record text)",
    );
    let dsn = format!(
        "host=127.0.0.1 port={} user=keeper dbname=shop",
        cluster.port
    );
    let whole = Store::new(&dsn);
    let store = whole.without(&["tyk_analytics", "tyk_analytics_*"]);
    let (all, look) = (whole.look().unwrap(), store.look().unwrap());
    // A table that shares data with others, as a partition does, is dumped all the same.
    // So is one on which a view or a foreign key depends: it could not be replaced alone.
    assert_eq!((all.items, look.items), (Some(7), Some(4)));
    assert!(look.leaves_out && !all.leaves_out);
    let saved = all.raw_bytes.unwrap() - look.raw_bytes.unwrap();
    assert!(saved > 1_000_000, "{saved}");
    let (dump, large) = (store.dump(), whole.dump());
    assert_eq!(dump.items, Some(4));
    let size = |dump: &super::store::Dump| dump.database.metadata().unwrap().len();
    assert!(
        size(&dump) * 10 < size(&large),
        "{} {}",
        size(&dump),
        size(&large)
    );

    // The new version rewrites the APIs, and adds to the records and to their table.
    cluster.sql(
        "shop",
        "SET ROLE keeper; UPDATE apis SET name = 'new'; ALTER TABLE tyk_analytics ADD COLUMN more int;
         INSERT INTO tyk_analytics (record, more) VALUES ('last', 7); DELETE FROM tyk_analyticsx;
         DELETE FROM marks; DELETE FROM tyk_analytics_seen; DROP TABLE tyk_analytics_gone",
    );
    let notes = store.restore(&dump, 7).unwrap();
    let left_empty = |notes: &[String]| -> String {
        let found = notes.iter().filter(|note| note.starts_with(LEFT_EMPTY));
        found.cloned().collect::<Vec<_>>().join("\n")
    };
    assert!(
        left_empty(&notes).contains("tyk_analytics_gone\" is empty"),
        "{notes:?}"
    );
    let now = |sql: &str| cluster.sql("shop", sql);
    assert_eq!(now("SELECT name FROM apis"), "old");
    assert_eq!(
        now("SELECT count(*), sum(more) FROM tyk_analytics"),
        "20001|7"
    );
    assert_eq!(now("SELECT count(*) FROM tyk_analytics_2026"), "1");
    assert_eq!(now("SELECT count(*) FROM tyk_analyticsx"), "1");
    assert_eq!(now("SELECT count(*) FROM seen JOIN marks USING (k)"), "1");
    // The old version finds the table that the new one had dropped.
    assert_eq!(now("SELECT count(*) FROM tyk_analytics_gone"), "0");
    // Its sequence goes on.
    cluster.sql(
        "shop",
        "SET ROLE keeper; INSERT INTO tyk_analytics (record) VALUES ('next')",
    );
    assert_eq!(now("SELECT max(id) FROM tyk_analytics"), "20002");

    // A table under another name keeps the names of its index and sequence, so it cannot be taken
    // over. What the dump has does not wait for it.
    cluster.sql(
        "shop",
        "SET ROLE keeper; UPDATE apis SET name = 'new';
         ALTER TABLE tyk_analytics RENAME TO tyk_analytics_old;
         CREATE TABLE tyk_analytics (k int) PARTITION BY RANGE (k)",
    );
    let notes = store.restore(&dump, 8).unwrap();
    assert_eq!(now("SELECT name FROM apis"), "old");
    assert_eq!(now("SELECT count(*) FROM tyk_analytics"), "0");
    let left = left_empty(&notes);
    let (_, kept) = left.split_once("is in database `").unwrap();
    let kept = kept.trim_end_matches('`');
    let there = cluster.sql(kept, "SELECT count(*) FROM tyk_analytics_old");
    assert_eq!(there, "20002", "{left}");
}
