//! A pooler between the tools and the server is found, and nothing of ours stays in its sessions (H-17).

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::store::{DATABASE, Store};

const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

struct Pooler {
    child: Child,
    port: u16,
}

impl Pooler {
    /// Starts one that lends sessions for one transaction.
    fn start(cluster: &Cluster, more: &str) -> Self {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let dir = cluster.socket();
        let (users, config) = (dir.join("users"), dir.join(format!("bouncer-{port}.ini")));
        fs::write(&users, "\"keeper\" \"\"\n").unwrap();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 1\nunix_socket_dir =\n{more}\n[databases]\n\
             shop = host=127.0.0.1 port={} user=keeper dbname=shop\n\
             postgres = host=127.0.0.1 port={} user=keeper dbname=postgres\n",
            cluster.port,
            users.display(),
            cluster.port,
            cluster.port
        );
        fs::write(&config, text).unwrap();
        let child = Command::new(PGBOUNCER)
            .args(["-q", "-u", "nobody"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "pgbouncer does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        Self { child, port }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_pooler_is_refused_and_its_sessions_stay_as_they_are() {
    assert!(
        Path::new(PGBOUNCER).exists(),
        "scripts/install-needs brings it"
    );
    let cluster = Cluster::start("host all all 127.0.0.1/32 trust", &[]);
    cluster.sql("postgres", "CREATE ROLE keeper LOGIN CREATEDB");
    cluster.sql("postgres", "CREATE DATABASE shop OWNER keeper");
    cluster.sql(
        "shop",
        "SET ROLE keeper; CREATE TABLE tyk_apis AS SELECT 1 AS id",
    );
    // One that refuses options of a session, and one that drops them in silence.
    for more in ["", "ignore_startup_parameters = options,extra_float_digits"] {
        let pooler = Pooler::start(&cluster, more);
        let dsn = format!(
            "host=127.0.0.1 port={} user=keeper dbname=shop",
            pooler.port
        );
        let store = Store::new(&dsn);
        let file = tempfile::tempfile().unwrap();
        for error in [
            store.look().unwrap_err(),
            store.dump_part(DATABASE, &file).unwrap_err(),
        ] {
            assert!(error.why.contains("pooler"), "{more}: {error}");
            assert!(error.next.contains("name the server itself"), "{error}");
        }
        // What the product gets next from the pooler.
        let mut product = cluster.psql("shop");
        product.args([
            "-h",
            "127.0.0.1",
            "-p",
            &pooler.port.to_string(),
            "-U",
            "keeper",
        ]);
        let done = product
            .args(["-c", "SELECT id FROM tyk_apis; SHOW lock_timeout"])
            .output();
        let done = done.unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success() && said.trim() == "1\n0",
            "{more}: {done:?}"
        );
    }
}
