//! Pictures of the stores: equal when the data are equal, and different when they are not.

use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::stores::site;

const WRITTEN: &str = "tyk_analytics";

#[test]
fn a_picture_notices_one_key_and_one_row_and_nothing_else() {
    let options = StoresOptions::new(RedisAccess::Acl, PostgresAccess::Password);
    let Some(site) = site("stores-picture", options) else {
        return;
    };
    site.stores.fill(&site.host).unwrap();
    let picture = || {
        let picture = site.stores.picture(&site.host).unwrap();
        picture.without_table(WRITTEN)
    };
    let before = picture();
    assert!(before.keys(0) > 150 && before.keys(1) > 80, "{before}");
    assert_eq!(before.rows("public.tyk_apis").len(), 60);
    assert!(before.tables().any(|table| table == "portal.pages"));
    assert!(before.to_string().contains("lo_create('424242')"));

    // Restarts move sets about in memory; vacuum moves rows about on disk.
    site.sql("UPDATE users SET balance = balance WHERE id % 2 = 0");
    for unit in ["redis-server.service", "postgresql.service"] {
        site.host.check(&["systemctl", "restart", unit]).unwrap();
    }
    site.stores.wait_until_well(&site.host).unwrap();
    assert_eq!(before.differences(&picture()), Vec::<String>::new());

    site.redis(&["HSET", "hash-700", "field-699", "another"]);
    site.redis(&["PERSIST", "set-3"]);
    site.sql("UPDATE users SET email = 'x@example.org' WHERE id = 9");
    site.sql("SELECT nextval('invoice_numbers')");
    let after = picture();
    let differences = before.differences(&after);
    let expected = [
        "redis database 0 key hash-700: hash ",
        "redis database 0 key set-3: set ",
        "table public.users, row gone: 9\t",
        "table public.users, row new: 9\t",
        "schema gone: SELECT pg_catalog.setval('public.invoice_numbers', 1040",
        "schema new: SELECT pg_catalog.setval('public.invoice_numbers', 1050",
    ];
    assert_eq!(differences.len(), expected.len(), "{differences:#?}");
    for text in expected {
        assert!(
            differences.iter().any(|line| line.starts_with(text)),
            "no {text:?} in {differences:#?}"
        );
    }
    site.redis(&["DEL", "counter"]);
    site.redis(&["SET", "fresh", "1"]);
    let differences = after.differences(&picture());
    assert_eq!(
        differences,
        [
            "redis database 0 key counter: gone (string 42)",
            "redis database 0 key fresh: new (string 1)"
        ]
    );
}
