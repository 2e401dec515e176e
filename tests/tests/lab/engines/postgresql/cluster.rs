//! A server of `PostgreSQL` of its own, in a temporary directory, ended with the test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The user that owns and runs it: a server refuses to run as root.
const OWNER: &str = "nobody";
pub(crate) const ADMIN: &str = "admin";
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the server's programs of this machine are.
pub(crate) fn bin() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed");
    let mut all: Vec<PathBuf> = versions.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.pop().unwrap().join("bin")
}

pub(crate) struct Cluster {
    dir: TempDir,
    pub(crate) port: u16,
    server: Option<Child>,
    options: Vec<String>,
}

impl Cluster {
    /// Makes and starts a server with lines of `pg_hba.conf` and options.
    pub(crate) fn start(hba: &str, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = dir.path().join("server");
        fs::create_dir(&home).unwrap();
        give(&home);
        let port = free_port();
        let mut cluster = Self {
            dir,
            port,
            server: None,
            options: options.iter().map(|text| (*text).to_owned()).collect(),
        };
        let data = cluster.data();
        let made = as_owner(&bin().join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-A", "trust", "-U", ADMIN, "-N", "-E", "UTF8"])
            .arg("--locale=C.UTF-8")
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        if !hba.is_empty() {
            let local = format!("local all {ADMIN} trust\n{hba}\n");
            fs::write(data.join("pg_hba.conf"), local).unwrap();
        }
        cluster.run();
        cluster
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("server/data")
    }

    /// The directory of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    /// A directory of this test.
    pub(crate) fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a file beside the server's data, for the server alone.
    pub(crate) fn own_file(&self, name: &str, from: &Path) -> PathBuf {
        let path = self.socket().join(name);
        fs::copy(from, &path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give(&path);
        path
    }

    /// Starts it (again).
    pub(crate) fn run(&mut self) {
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        let mut command = as_owner(&bin().join("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.socket());
        command.args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command.args(["-c", "max_connections=20", "-c", "shared_buffers=16MB"]);
        for option in &self.options {
            command.args(["-c", option]);
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while !self.try_sql("postgres", "SELECT 1").status.success() {
            let ended = self.server.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Adds options for its next start, and starts it again.
    pub(crate) fn restart_with(&mut self, options: &[&str]) {
        self.stop("INT");
        self.options
            .extend(options.iter().map(|text| (*text).to_owned()));
        self.run();
    }

    /// Ends it with a signal.
    pub(crate) fn stop(&mut self, signal: &str) {
        if let Some(mut server) = self.server.take() {
            let pid = server.id().to_string();
            let _ = Command::new("kill").args(["-s", signal, &pid]).status();
            let _ = server.wait();
        }
    }

    /// psql as the administrator.
    pub(crate) fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(bin().join("psql"));
        command.env_clear().env("HOME", "/nonexistent");
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", ADMIN]);
        command.arg("-h").arg(self.socket());
        command.args(["-p", &self.port.to_string()]);
        // A name must not be parsed as a connection string.
        command.env("PGDATABASE", database).stdin(Stdio::null());
        command
    }

    pub(crate) fn try_sql(&self, database: &str, sql: &str) -> Output {
        self.psql(database).args(["-c", sql]).output().unwrap()
    }

    /// Runs statements and returns their output.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let done = self.try_sql(database, sql);
        assert!(done.status.success(), "{sql}: {done:?}");
        String::from_utf8(done.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Waits until a query that counts something counts at least one.
    pub(crate) fn wait_for(&self, sql: &str) {
        let until = Instant::now() + PATIENCE;
        while self.sql("postgres", sql) == "0" {
            assert!(Instant::now() < until, "{sql}: still none");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts statements, the last of them a `pg_sleep`, in a session of their own, and waits until it
    /// sleeps.
    pub(crate) fn session(&self, database: &str, sql: &str) -> Session {
        let child = self
            .psql(database)
            .args(["-c", sql])
            .stderr(Stdio::null())
            .spawn();
        self.wait_for("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        Session(child.unwrap())
    }

    /// Ends what is connected to a database: a server does not notice that a client has gone.
    pub(crate) fn end_sessions(&self, database: &str) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
        self.sql("postgres", &format!("{sql}'{database}'"));
    }

    /// A database as text: what a restore must bring back.
    pub(crate) fn text(&self, database: &str) -> String {
        let mut command = Command::new(bin().join("pg_dump"));
        command
            .env_clear()
            .args(["-U", ADMIN, "-h"])
            .arg(self.socket());
        command.args(["-p", &self.port.to_string()]);
        let done = command.env("PGDATABASE", database).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let text = String::from_utf8(done.stdout).unwrap();
        // Newer tools guard their text with a word that differs each time.
        let is_same =
            |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        text.lines().filter(is_same).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn databases(&self) -> Vec<String> {
        let sql = "SELECT datname FROM pg_database WHERE datname !~ '^template' ORDER BY 1";
        self.sql("postgres", sql)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop("INT");
    }
}

/// A session that is ended with its test.
pub(crate) struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

fn as_owner(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    let (user, group) = (format!("--reuid={OWNER}"), "--regid=nogroup");
    command
        .args([user.as_str(), group, "--clear-groups"])
        .arg(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8");
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn give(path: &Path) {
    let number = |kind: &str| {
        let done = Command::new("id").args([kind, OWNER]).output().unwrap();
        String::from_utf8(done.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    };
    chown(path, Some(number("-u")), Some(number("-g"))).unwrap();
}
