//! Passwords stay out of everything that every user of a host can read.

use std::time::{Duration, Instant};

use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::stores::site;
use crate::stores::variants::works;

/// Records the arguments of every process of the host, again and again.
const WATCH: &str = "while :; do cat /proc/[0-9]*/cmdline; done >/run/arguments 2>/dev/null";

/// The services' own calls, and one of the lab's.
const CALLS: [&str; 3] = [
    "redis-cli\0-h\x00127.0.0.1\0-p",
    "psql\0--no-psqlrc\0--no-password",
    "psql\0--no-psqlrc\0--quiet",
];

const LONG_ENOUGH: Duration = Duration::from_secs(60);

#[test]
fn stores_over_tls_serve_the_components_and_no_program_has_a_password_among_its_arguments() {
    let mut options = StoresOptions::new(RedisAccess::Tls, PostgresAccess::Tls);
    options.url = true;
    let Some(site) = site("stores-secrets", options) else {
        return;
    };
    works(&site);
    let mut watching = site.host.spawn(&["sh", "-c", WATCH]).unwrap();
    let started = Instant::now();
    let seen = loop {
        site.sql("SELECT pg_sleep(0.5)");
        let seen = site.host.read("/run/arguments").unwrap();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        if CALLS.iter().all(|call| seen.contains(call)) {
            break seen;
        }
        let missing = CALLS.map(|call| seen.contains(call));
        assert!(started.elapsed() < LONG_ENOUGH, "calls seen: {missing:?}");
    };
    watching.kill().unwrap();
    for password in site.stores.passwords() {
        assert!(!seen.contains(password), "a password is among arguments");
    }
}
