//! Every failure has its own message, and nothing changes.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cluster::{Cluster, bin};
use super::store::{DATABASE, Store};

const SECRET: &str = "Zebra-4711-Secret";

fn with_password() -> Cluster {
    let hba = "host all nobody_here 127.0.0.1/32 trust\nhost shop all 127.0.0.1/32 scram-sha-256\n\
               host postgres all 127.0.0.1/32 scram-sha-256\nhost nowhere all 127.0.0.1/32 trust";
    let cluster = Cluster::start(hba, &[]);
    let sql = format!("CREATE ROLE keeper LOGIN CREATEDB PASSWORD '{SECRET}'");
    cluster.sql("postgres", &sql);
    cluster.sql("postgres", "CREATE DATABASE shop OWNER keeper");
    cluster.sql(
        "shop",
        "SET ROLE keeper; CREATE TABLE items AS \
         SELECT n, gen_random_uuid() || repeat(md5(random()::text), 30) AS t FROM generate_series(1, 3000) n",
    );
    cluster
}

fn dsn(cluster: &Cluster, more: &str) -> String {
    format!(
        "host=127.0.0.1 port={} user=keeper dbname=shop password={SECRET} {more}",
        cluster.port
    )
}

fn assert_reported(dsn: &str, why: &str, next: &str) {
    let error = Store::new(dsn).look().unwrap_err();
    let all = error.to_string();
    assert!(error.why.contains(why), "{dsn}: {all}");
    assert!(error.next.contains(next), "{dsn}: {all}");
    assert!(!all.contains(SECRET), "{all}");
}

#[test]
fn every_way_not_to_reach_a_database_has_its_own_message() {
    let mut cluster = with_password();
    let port = cluster.port;
    assert_reported(
        &dsn(&cluster, "password=wrong"),
        "does not take this user's password",
        "correct user",
    );
    let none = format!("host=127.0.0.1 port={port} user=keeper dbname=shop");
    assert_reported(&none, "does not take this user's password", "correct user");
    assert_reported(
        &dsn(&cluster, "user=nobody_here"),
        "no such user",
        "create it",
    );
    assert_reported(
        &dsn(&cluster, "dbname=nowhere"),
        "points nowhere",
        "database's name",
    );
    assert_reported(
        &dsn(&cluster, "dbname=other"),
        "does not admit",
        "pg_hba.conf",
    );
    assert_reported(&dsn(&cluster, "sslmode=require"), "speaks none", "sslmode");
    assert_reported(
        &dsn(&cluster, "host=no.such.name.invalid"),
        "name is not known",
        "/etc/hosts",
    );
    assert_reported(
        &dsn(&cluster, "host=/nonexistent"),
        "at that socket",
        "start the server",
    );
    cluster.stop("INT");
    assert_reported(&dsn(&cluster, ""), "nothing answers", "start the server");
}

#[test]
fn a_host_that_never_answers_is_given_up() {
    // This server listens and accepts no connection.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = deaf.local_addr().unwrap().port();
    let dsn = format!("host=127.0.0.1 port={port} user=u dbname=d connect_timeout=2");
    assert_reported(&dsn, "cannot be reached", "network");
}

/// Makes an authority and a certificate of the server.
fn certificates(dir: &Path, name: &str) -> PathBuf {
    let at = |file: &str| {
        dir.join(format!("{name}-{file}"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl")
            .args(args)
            .stderr(Stdio::piped())
            .output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let (ca, ca_key, key, request, cert) =
        (at("ca.pem"), at("ca.key"), at("key"), at("csr"), at("pem"));
    let new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj"];
    let own = ["-x509", "-days", "2", "-keyout", &ca_key, "-out", &ca];
    openssl(&[&new[..], &["/CN=authority"], &own].concat());
    openssl(
        &[
            &new[..],
            &["/CN=127.0.0.1"],
            &["-keyout", &key, "-out", &request],
        ]
        .concat(),
    );
    let extension = at("ext");
    fs::write(&extension, "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    let signed = [
        "x509", "-req", "-days", "2", "-in", &request, "-CA", &ca, "-CAkey", &ca_key,
    ];
    let out = ["-CAcreateserial", "-extfile", &extension, "-out", &cert];
    openssl(&[&signed[..], &out].concat());
    PathBuf::from(ca)
}

#[test]
fn tls_is_used_and_its_failures_are_reported() {
    let mut cluster = with_password();
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (
        certificates(dir.path(), "server"),
        certificates(dir.path(), "other"),
    );
    let cert = cluster.own_file("server.pem", &dir.path().join("server-pem"));
    let key = cluster.own_file("server.key", &dir.path().join("server-key"));
    let option = |name: &str, path: &Path| format!("{name}={}", path.display());
    cluster.restart_with(&[
        "ssl=on",
        &option("ssl_cert_file", &cert),
        &option("ssl_key_file", &key),
    ]);
    let with = |ca: &Path, mode: &str| {
        dsn(
            &cluster,
            &format!("sslmode={mode} sslrootcert={}", ca.display()),
        )
    };
    for mode in ["require", "verify-ca", "verify-full"] {
        let store = Store::new(&with(&ca, mode));
        assert_eq!(store.look().unwrap().items, Some(1), "{mode}");
        assert_eq!(store.dump().items, Some(1), "{mode}");
    }
    // A name that resolves to it, and that its certificate does not have.
    let elsewhere = format!(
        "{} host=elsewhere hostaddr=127.0.0.1",
        with(&ca, "verify-full")
    );
    assert_reported(&elsewhere, "for another name", "renew");
    assert_reported(
        &with(&other, "verify-ca"),
        "not signed by an authority",
        "sslrootcert",
    );
    assert_reported(
        &with(&dir.path().join("missing"), "verify-ca"),
        "cannot be used",
        "sslrootcert",
    );
    // Without a file, the system's authorities count, as for the product.
    assert_reported(
        &dsn(&cluster, "sslmode=verify-full"),
        "not signed by an authority",
        "sslrootcert",
    );
}

#[test]
fn what_a_user_may_not_restore_is_known_before_the_dump() {
    let cluster = with_password();
    let cure = |dsn: &str| {
        Store::new(dsn)
            .look()
            .unwrap()
            .not_restorable
            .map(|found| found.what + &found.cure)
    };
    assert_eq!(cure(&dsn(&cluster, "")), None);
    cluster.sql(
        "shop",
        "CREATE TABLE of_admin (i int); GRANT SELECT ON of_admin TO keeper",
    );
    let told = cure(&dsn(&cluster, "")).unwrap();
    assert!(
        told.contains("objects of admin") && told.contains("superuser"),
        "{told}"
    );
    cluster.sql("postgres", "ALTER ROLE keeper NOCREATEDB");
    let told = cure(&dsn(&cluster, "")).unwrap();
    assert!(
        told.contains("may not make databases") && told.contains("CREATEDB"),
        "{told}"
    );
    cluster.sql(
        "postgres",
        "ALTER ROLE keeper CREATEDB; DROP OWNED BY keeper; ",
    );
    cluster.sql("shop", "DROP TABLE of_admin");
    fs::write(
        cluster.data().join("pg_hba.conf"),
        "local all admin trust\nhost shop all 127.0.0.1/32 trust\n",
    )
    .unwrap();
    let loaded = cluster.sql("postgres", "SELECT pg_conf_load_time()");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    let newer = format!("SELECT count(*) WHERE pg_conf_load_time() > '{loaded}'");
    cluster.wait_for(&newer);
    let told = cure(&dsn(&cluster, "")).unwrap();
    assert!(
        told.contains("neither to `postgres` nor to `template1`"),
        "{told}"
    );
}

#[test]
fn a_lock_does_not_hang_a_dump_and_no_secret_is_seen_meanwhile() {
    let cluster = with_password();
    let lock = cluster.session("shop", "BEGIN; LOCK items; SELECT pg_sleep(600)");
    let mut store = Store::new(&dsn(&cluster, ""));
    store.time = Duration::from_secs(20);
    let file = tempfile::tempfile().unwrap();
    let seen = thread::scope(|scope| {
        let dump = scope.spawn(|| store.dump_part(DATABASE, &file).unwrap_err());
        let mut seen = 0;
        while !dump.is_finished() {
            seen += spied();
            thread::sleep(Duration::from_millis(20));
        }
        let error = dump.join().unwrap();
        assert!(error.why.contains("holds a table locked"), "{error}");
        assert!(error.next.contains("pg_locks"), "{error}");
        seen
    });
    assert!(seen > 10, "pg_dump was looked at {seen} times");
    drop(lock);
    cluster.end_sessions("shop");
    store
        .dump_part(DATABASE, &tempfile::tempfile().unwrap())
        .unwrap();
}

/// Reads what every user, and what root alone, can see of our tools, and returns how many there
/// were.
fn spied() -> usize {
    let mut seen = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let (line, variables) = (read("cmdline"), read("environ"));
        let (line, variables) = (
            String::from_utf8_lossy(&line),
            String::from_utf8_lossy(&variables),
        );
        if !line.contains("pg_dump") || !variables.contains("PGSERVICEFILE") {
            continue;
        }
        assert!(
            !line.contains(SECRET) && !variables.contains(SECRET),
            "{line} {variables}"
        );
        seen += 1;
    }
    seen
}

#[test]
fn a_dump_that_takes_too_long_is_ended() {
    let cluster = with_password();
    let _lock = cluster.session("shop", "BEGIN; LOCK items; SELECT pg_sleep(600)");
    let mut store = Store::new(&dsn(&cluster, ""));
    // Shorter than the shortest time that a lock is waited for, once the server has answered.
    store.time = Duration::from_millis(900);
    let error = store
        .dump_part(DATABASE, &tempfile::tempfile().unwrap())
        .unwrap_err();
    assert!(error.why.contains("did not end within"), "{error}");
    let until = Instant::now() + Duration::from_secs(30);
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'airgap-bundle'";
    while cluster.sql("postgres", sql) != "0" && Instant::now() < until {
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_dies_during_a_dump_is_reported() {
    let mut cluster = with_password();
    let lock = cluster.session("shop", "BEGIN; LOCK items; SELECT pg_sleep(600)");
    let store = Store::new(&dsn(&cluster, ""));
    thread::scope(|scope| {
        let dump = scope.spawn(|| store.dump_part(DATABASE, &tempfile::tempfile().unwrap()));
        cluster.wait_for("SELECT count(*) FROM pg_locks WHERE NOT granted");
        assert!(!dump.is_finished());
        cluster.stop("QUIT");
        let error = dump.join().unwrap().unwrap_err();
        assert!(error.why.contains("ended the connection"), "{error}");
    });
    drop(lock);
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_is_reported() {
    let cluster = with_password();
    let dir = tempfile::tempdir().unwrap();
    let size = c"size=64k";
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", dir.path(), "tmpfs", flags, size).unwrap();
    let mounted = Mounted(dir.path().to_owned());
    let file = File::create_new(dir.path().join("dump")).unwrap();
    let error = Store::new(&dsn(&cluster, ""))
        .dump_part(DATABASE, &file)
        .unwrap_err();
    assert!(error.why.contains("a disk is full"), "{error}");
    drop(file);
    drop(mounted);
}

#[test]
fn a_dump_that_is_cut_off_fails_its_proof_though_its_list_is_good() {
    let cluster = with_password();
    let store = Store::new(&dsn(&cluster, ""));
    let dump = store.dump();
    let mut bytes = Vec::new();
    let mut file = &dump.database;
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let path = cluster.scratch().join("cut");
    for (length, is_listed) in [
        (bytes.len() - 100, true),
        (bytes.len() / 2, true),
        (40, false),
        (0, false),
    ] {
        fs::write(&path, &bytes[..length]).unwrap();
        let listed = Command::new(bin().join("pg_restore"))
            .arg("-l")
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(listed.status.success(), is_listed, "{length}");
        let error = store
            .prove(DATABASE, &File::open(&path).unwrap())
            .unwrap_err();
        assert!(
            error.why.contains("damaged or cut off"),
            "{length}: {error}"
        );
    }
    let mut changed = bytes.clone();
    let middle = bytes.len() / 2;
    changed[middle..middle + 50].fill(0);
    fs::File::create(&path)
        .unwrap()
        .write_all(&changed)
        .unwrap();
    store
        .prove(DATABASE, &File::open(&path).unwrap())
        .unwrap_err();
}
