//! Packages extracted from their RPMs, and the processes that run them.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::vendor::http::{self, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::vendor::support::{extract, fixtures};

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A process that ends with its test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An extracted package and a configuration for it.
pub(crate) struct Installed {
    pub(crate) dir: TempDir,
    pub(crate) program: PathBuf,
    pub(crate) port: u16,
}

impl Installed {
    pub(crate) fn new(package: &str, version: &str, program: &str) -> Self {
        let rpm = fixtures().rpm(package, version, "el8", "x86_64").unwrap();
        let dir = tempfile::tempdir().unwrap();
        extract(&rpm, dir.path());
        let program = dir.path().join(program);
        Self {
            dir,
            program,
            port: free_port(),
        }
    }

    pub(crate) fn gateway() -> Self {
        Self::new("tyk-gateway", "5.3.0", "opt/tyk-gateway/tyk")
    }

    pub(crate) fn configure(&self, config: &Value) -> PathBuf {
        let file = self.dir.path().join("test.conf");
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }

    pub(crate) fn command(&self, flag: &str, config: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(flag)
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs with a behaviour instead of the packaged one.
    pub(crate) fn behave(&self, behaviour: &str) -> Process {
        let config = self.configure(&gateway_config(self.port, free_port()));
        let mut command = self.command("--conf", &config);
        Process(command.env("LAB_BEHAVIOUR", behaviour).spawn().unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        wait_for(self.port);
        http::get(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    pub(crate) fn hello(&self) -> Value {
        serde_json::from_slice(&self.get("/hello").body).unwrap()
    }

    /// The first `/hello` that has details.
    pub(crate) fn details(&self) -> Value {
        let start = Instant::now();
        loop {
            let hello = self.hello();
            if hello.get("details").is_some() {
                return hello;
            }
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "no details: {hello}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub(crate) fn gateway_config(port: u16, redis: u16) -> Value {
    json!({
        "listen_port": port,
        "storage": { "type": "redis", "host": "127.0.0.1", "port": redis },
        "liveness_check": { "check_duration": 300_000_000 },
    })
}

pub(crate) fn wait_for(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "nothing listens on {port}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn redis(port: u16, arguments: &[&str]) -> Process {
    let child = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(port);
    Process(child)
}
