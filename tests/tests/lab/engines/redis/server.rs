//! A Redis server of a test: unprivileged, in a directory of its own, and gone with its value.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab runs real servers and writes their files"
)]

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use tempfile::TempDir;

/// Debian's and EL's `nobody`.
const NOBODY: u32 = 65534;
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Server {
    child: Child,
    dir: TempDir,
    pub(super) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a program is here; the test is skipped where it is not.
fn is_here(program: &str) -> bool {
    let is_here = ["/usr/bin", "/usr/sbin"]
        .iter()
        .any(|dir| Path::new(dir).join(program).is_file());
    if !is_here {
        lab::skipped!("{program} is missing");
    }
    is_here
}

/// Whether root runs this; the test is skipped where it does not.
pub(super) fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        lab::skipped!("this test needs root");
    }
    is_root
}

/// Finds a port that is free, with room for a cluster's second one above it.
pub(super) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        if port < 55_000 {
            return port;
        }
    }
}

/// Writes a word as configuration and commands take it, with any character in it.
pub(super) fn escaped(word: &str) -> String {
    let bytes = word.bytes().map(|byte| format!("\\x{byte:02x}"));
    bytes.collect::<Vec<String>>().concat()
}

impl Server {
    /// Starts a server with these lines in its configuration.
    pub(super) fn start(lines: &[&str]) -> Option<Self> {
        is_here("redis-server").then(|| Self::run("server", lines, true))
    }

    /// Starts a sentinel.
    pub(super) fn sentinel(lines: &[&str]) -> Self {
        Self::run("sentinel", lines, true)
    }

    /// Starts a server that speaks only TLS and requires client certificates.
    pub(super) fn start_tls(authority: &Authority) -> Option<Self> {
        let lines = [
            "ca-cert-file ca.crt",
            "cert-file server.crt",
            "key-file server.key",
        ]
        .map(|line| {
            let (name, file) = line.split_once(' ').unwrap();
            format!("tls-{name} {}", authority.path(file))
        });
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        is_here("redis-server").then(|| Self::run("tls", &lines, false))
    }

    fn run(kind: &str, lines: &[&str], is_plain: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut text = format!(
            "bind 127.0.0.1\ndaemonize no\ndir {}\n",
            dir.path().display()
        );
        if is_plain {
            text.push_str(&format!("port {port}\n"));
        } else {
            text.push_str(&format!("port 0\ntls-port {port}\n"));
        }
        if kind != "sentinel" {
            text.push_str("save \"\"\nenable-debug-command yes\nrepl-diskless-sync-delay 0\n");
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let config = dir.path().join("redis.conf");
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("redis-server");
        command
            .arg(&config)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        if kind == "sentinel" {
            command.arg("--sentinel");
        }
        if geteuid().is_root() {
            for path in [dir.path(), &config] {
                std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            command.uid(NOBODY).gid(NOBODY);
        }
        let child = command.spawn().unwrap();
        let mut server = Self { child, dir, port };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "{}", log());
            sleep(PAUSE);
        }
    }

    /// Asks the server by a tool that is independent of the engine.
    pub(super) fn ask(&self, command: &str) -> String {
        let port = self.port.to_string();
        let mut asking = Command::new("sh");
        asking.env_clear().env("PATH", "/usr/bin:/bin");
        let script = format!("printf '%s\\n' \"$1\" | redis-cli -h 127.0.0.1 -p {port}");
        let output = asking
            .args(["-c", &script, "sh", command])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes keys in databases.
    pub(super) fn fill(&self, counts: &[(u32, u32)]) {
        for (database, keys) in counts {
            self.populate(*database, *keys, 20);
        }
    }

    /// The same on a server with a password.
    pub(super) fn fill_as(&self, word: &str, counts: &[(u32, u32)]) {
        let quoted = escaped(word);
        for (database, keys) in counts {
            let said = self.ask(&format!(
                "AUTH \"{quoted}\"\nSELECT {database}\nDEBUG POPULATE {keys} key-{database} 20"
            ));
            assert_eq!(said.matches("OK").count(), 3, "{said}");
        }
    }

    /// Makes keys of a size in a database.
    pub(super) fn populate(&self, database: u32, keys: u32, bytes: u32) {
        let command = format!("SELECT {database}\nDEBUG POPULATE {keys} key-{database} {bytes}");
        let said = self.ask(&command);
        assert_eq!(said.matches("OK").count(), 2, "{said}");
    }

    /// Lists the names in its directory.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = self.dir.path().read_dir().unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Reads a file of its directory.
    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap()
    }

    /// Sends a signal to the server and what it forked.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process_group(pid, signal).unwrap();
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.signal(Signal::KILL);
            self.child.wait().unwrap();
        }
    }
}

/// Certificates made for one test.
pub(super) struct Authority {
    dir: TempDir,
}

impl Authority {
    pub(super) fn make() -> Option<Self> {
        if !is_here("openssl") {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let script = "\
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt\n\
            for name in server client; do\n\
            openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name.key -out $name.csr\n\
            openssl x509 -req -days 2 -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $name.crt\n\
            done\n\
            chmod 755 .; chmod 644 *\n";
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(Self { dir })
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}
