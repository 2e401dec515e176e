//! Tools that are too old or not there, in a mount namespace of their own.

use std::process::Command;

use super::cluster::{Cluster, bin};
use super::store::Store;

const INNER: &str = "AIRGAP_ENGINES_TOOLS";

/// Runs this test's other half in a namespace whose tools a script prepares.
fn in_namespace(script: &str, dsn: &str, expected: &str) {
    let test = std::env::current_exe().unwrap();
    let dir = bin();
    let name = "engines::postgresql::tools::the_other_half";
    let script = format!(
        "set -e; copy=$(mktemp -d); cp {dir}/psql {dir}/pg_dump {dir}/pg_dumpall {dir}/pg_restore $copy
         mount -t tmpfs none /usr/lib/postgresql; mkdir -p {dir}; cp $copy/* {dir}; rm -r $copy
         {script}
         exec \"$0\" --exact {name} --ignored --nocapture",
        dir = dir.display()
    );
    let done = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &script])
        .arg(test)
        .env(INNER, format!("{dsn}\n{expected}"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{expected}: {shown}{errors}");
    assert!(shown.contains("1 passed"), "it did run: {shown}{errors}");
}

#[test]
#[ignore = "the other half of the tests below"]
fn the_other_half() {
    let Ok(asked) = std::env::var(INNER) else {
        return;
    };
    let (dsn, expected) = asked.split_once('\n').unwrap();
    match Store::new(dsn).look() {
        Ok(look) => assert!(format!("{look:?}").contains(expected), "{look:?}"),
        Err(error) => assert!(format!("{error} {error:?}").contains(expected), "{error:?}"),
    }
}

#[test]
fn tools_that_are_too_old_or_not_there_are_named_with_their_package() {
    let cluster = Cluster::start("", &[]);
    cluster.sql("postgres", "CREATE DATABASE shop");
    let dsn = format!(
        "host=127.0.0.1 port={} user=admin dbname=shop",
        cluster.port
    );
    let dir = bin();
    let dir = dir.display();
    let version = cluster.sql("shop", "SHOW server_version_num");
    let major = &version[..version.len() - 4];
    let fake = |version: &str, dir: &str, tool: &str| {
        format!(
            "mkdir -p {dir}; printf '#!/bin/sh\\necho \"{tool} (PostgreSQL) {version}\"\\n' > {dir}/{tool}; \
             chmod 755 {dir}/{tool}"
        )
    };
    let same = dir.to_string();
    in_namespace("true", &dsn, "not_restorable: None");
    let old = fake("9.6.24", &same, "pg_dump");
    in_namespace(
        &old,
        &dsn,
        "pg_dump is of version 9, and the server of version",
    );
    in_namespace(&old, &dsn, &format!("package postgresql{major}"));
    // A newer tool is not used where the server's own version is installed.
    let newer = fake("99.1", "/usr/lib/postgresql/99/bin", "pg_restore");
    in_namespace(&newer, &dsn, "not_restorable: None");
    let only = fake("99.1", &same, "pg_restore");
    in_namespace(
        &only,
        &dsn,
        "pg_restore 99 cannot restore into a server of version",
    );
    // Debian has a script of that name in a directory that many need.
    let gone = format!(
        "over=$(mktemp -d); mount -t tmpfs none $over; mkdir $over/up $over/work
         mount -t overlay none -o lowerdir=/usr/bin,upperdir=$over/up,workdir=$over/work /usr/bin
         rm -f /usr/bin/pg_dump {dir}/pg_dump"
    );
    in_namespace(&gone, &dsn, "the program `pg_dump` is not installed");
}
