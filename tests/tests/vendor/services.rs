//! The programs inside the RPMs, extracted and run.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::vendor::http::{self, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{extract, fixtures};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An extracted package and a configuration for it.
struct Installed {
    dir: TempDir,
    program: PathBuf,
    port: u16,
}

impl Installed {
    fn new(package: &str, version: &str, program: &str) -> Self {
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

    fn gateway() -> Self {
        Self::new("tyk-gateway", "5.3.0", "opt/tyk-gateway/tyk")
    }

    fn configure(&self, config: &Value) -> PathBuf {
        let file = self.dir.path().join("test.conf");
        std::fs::write(&file, config.to_string()).unwrap();
        file
    }

    fn command(&self, flag: &str, config: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(flag)
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs with a behaviour instead of the packaged one.
    fn behave(&self, behaviour: &str) -> Process {
        let config = self.configure(&gateway_config(self.port, free_port()));
        let mut command = self.command("--conf", &config);
        Process(command.env("LAB_BEHAVIOUR", behaviour).spawn().unwrap())
    }

    fn get(&self, path: &str) -> Response {
        wait_for(self.port);
        http::get(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    fn hello(&self) -> Value {
        serde_json::from_slice(&self.get("/hello").body).unwrap()
    }

    /// The first `/hello` that has details.
    fn details(&self) -> Value {
        let start = Instant::now();
        loop {
            let hello = self.hello();
            if hello.get("details").is_some() {
                return hello;
            }
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "no details: {hello}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn gateway_config(port: u16, redis: u16) -> Value {
    json!({
        "listen_port": port,
        "storage": { "type": "redis", "host": "127.0.0.1", "port": redis },
        "liveness_check": { "check_duration": 300_000_000 },
    })
}

fn wait_for(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "nothing listens on {port}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn redis(port: u16, arguments: &[&str]) -> Process {
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

#[test]
fn gateway_says_pass_without_details_then_with_redis() {
    let (gateway, redis_port) = (Installed::gateway(), free_port());
    let redis = redis(redis_port, &["--requirepass", "p"]);
    let mut config = gateway_config(gateway.port, redis_port);
    config["storage"]["password"] = json!("p");
    config["liveness_check"]["check_duration"] = json!(1_000_000_000);
    let config = gateway.configure(&config);
    let _process = Process(gateway.command("--conf", &config).spawn().unwrap());
    let early = gateway.hello();
    assert_eq!(
        early,
        json!({"status": "pass", "version": "5.3.0", "description": "Tyk GW"})
    );
    let later = gateway.details();
    assert_eq!(later["status"], "pass");
    assert_eq!(later["details"]["redis"]["status"], "pass");
    assert_eq!(later["details"]["redis"]["componentType"], "datastore");

    drop(redis);
    let start = Instant::now();
    while gateway.hello()["status"] != "fail" {
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "redis is down and nobody noticed"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(gateway.get("/hello").status, 200, "200 even when ill");
    assert_eq!(gateway.hello()["details"]["redis"]["status"], "fail");
}

#[test]
fn a_wrong_redis_password_is_a_failure() {
    let (gateway, redis_port) = (Installed::gateway(), free_port());
    let _redis = redis(redis_port, &["--requirepass", "right"]);
    let mut config = gateway_config(gateway.port, redis_port);
    config["storage"]["password"] = json!("wrong");
    let config = gateway.configure(&config);
    let _process = Process(gateway.command("--conf", &config).spawn().unwrap());
    assert_eq!(gateway.details()["details"]["redis"]["status"], "fail");
}

#[test]
fn one_of_two_failures_is_a_warning() {
    let (gateway, redis_port) = (Installed::gateway(), free_port());
    let _redis = redis(redis_port, &[]);
    let mut config = gateway_config(gateway.port, redis_port);
    config["use_db_app_configs"] = json!(true);
    config["db_app_conf_options"] =
        json!({ "connection_string": format!("http://127.0.0.1:{}", free_port()) });
    let config = gateway.configure(&config);
    let _process = Process(gateway.command("--conf", &config).spawn().unwrap());
    let hello = gateway.details();
    assert_eq!(hello["status"], "warn");
    assert_eq!(hello["details"]["dashboard"]["status"], "fail");
}

#[test]
fn only_get_and_only_the_endpoint() {
    let gateway = Installed::gateway();
    let mut config = gateway_config(gateway.port, free_port());
    config["health_check_endpoint_name"] = json!("livez");
    let config = gateway.configure(&config);
    let _process = Process(gateway.command("--conf", &config).spawn().unwrap());
    assert_eq!(gateway.get("/livez").status, 200);
    assert_eq!(gateway.get("/hello").status, 404);
    let url = format!("http://127.0.0.1:{}/livez", gateway.port);
    assert_eq!(http::request("POST", &url, &[]).unwrap().status, 405);
    assert_eq!(http::request("HEAD", &url, &[]).unwrap().status, 405);
}

#[test]
fn the_environment_wins_over_the_file() {
    let gateway = Installed::gateway();
    let config = gateway.configure(&gateway_config(free_port(), free_port()));
    let mut command = gateway.command("--conf", &config);
    command.env("TYK_GW_LISTENPORT", gateway.port.to_string());
    command.env("TYK_GW_HEALTHCHECKENDPOINTNAME", "other");
    let _process = Process(command.spawn().unwrap());
    assert_eq!(gateway.get("/other").status, 200);
}

#[test]
fn dashboard_pump_and_the_second_product_answer() {
    let cases = [
        (
            "tyk-dashboard",
            "5.3.2",
            "opt/tyk-dashboard/tyk-analytics",
            "--conf",
            "listen_port",
            "/hello",
            json!({"status": "ok"}),
        ),
        (
            "tyk-pump",
            "1.9.0",
            "opt/tyk-pump/tyk-pump",
            "-c",
            "health_check_endpoint_port",
            "/health",
            json!({"status": "ok"}),
        ),
    ];
    for (package, version, program, flag, key, path, body) in cases {
        let installed = Installed::new(package, version, program);
        let config = installed.configure(&json!({ key: installed.port }));
        let _process = Process(installed.command(flag, &config).spawn().unwrap());
        let answer: Value = serde_json::from_slice(&installed.get(path).body).unwrap();
        assert_eq!(answer, body, "{package}");
    }
    let relay = Installed::new("relayd", "2.1.0", "usr/lib/relayd/bin/relayd");
    let config = relay.configure(&json!({ "listen": { "port": relay.port } }));
    let _process = Process(relay.command("--conf", &config).spawn().unwrap());
    let answer: Value = serde_json::from_slice(&relay.get("/healthz").body).unwrap();
    assert_eq!(answer, json!({"state": "up", "build": "2.1.0"}));
}

#[test]
fn packaged_configs_are_accepted() {
    for (package, version, program, config) in [
        (
            "tyk-gateway",
            "5.8.0",
            "opt/tyk-gateway/tyk",
            "opt/tyk-gateway/tyk.conf",
        ),
        (
            "tyk-dashboard",
            "5.8.0",
            "opt/tyk-dashboard/tyk-analytics",
            "opt/tyk-dashboard/tyk_analytics.conf",
        ),
        (
            "tyk-pump",
            "1.12.0",
            "opt/tyk-pump/tyk-pump",
            "opt/tyk-pump/pump.conf",
        ),
        (
            "relay-console",
            "2.1.0",
            "usr/lib/relay-console/bin/relay-console",
            "etc/relay-console/console.json",
        ),
    ] {
        let installed = Installed::new(package, version, program);
        let config = installed.dir.path().join(config);
        let mut command = installed.command("--conf", &config);
        // On a port of the test's own, since the default may be in use.
        command.env("LAB_BEHAVIOUR", format!("wrong-port:{}", installed.port));
        let _process = Process(command.spawn().unwrap());
        wait_for(installed.port);
    }
}

#[test]
fn a_broken_config_ends_the_service() {
    let gateway = Installed::gateway();
    let config = gateway.dir.path().join("broken.conf");
    std::fs::write(&config, "{\"listen_port\": 8080,}").unwrap();
    assert_eq!(
        gateway.command("--conf", &config).status().unwrap().code(),
        Some(1)
    );
}

#[test]
fn exits_with_the_code_it_was_told() {
    let gateway = Installed::gateway();
    let mut at_once = gateway.behave("exit-at-once:7");
    assert_eq!(at_once.0.wait().unwrap().code(), Some(7));
    let mut later = gateway.behave("exit-after:1:9");
    assert_eq!(gateway.get("/hello").status, 200);
    assert_eq!(later.0.wait().unwrap().code(), Some(9));
}

#[test]
fn misbehaves_on_request() {
    let gateway = Installed::gateway();
    {
        let _process = gateway.behave("wrong-version:1.2.3");
        assert_eq!(gateway.hello()["version"], "1.2.3");
    }
    {
        let _process = gateway.behave("fail-200");
        let answer = gateway.get("/hello");
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("\"status\":\"fail\""));
    }
    {
        let _process = gateway.behave("fail-503");
        assert_eq!(gateway.get("/hello").status, 503);
    }
    {
        let _process = gateway.behave("never-listens");
        std::thread::sleep(Duration::from_millis(500));
        assert!(TcpStream::connect(("127.0.0.1", gateway.port)).is_err());
    }
    let _process = gateway.behave("hangs");
    wait_for(gateway.port);
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    std::io::Write::write_all(&mut stream, b"GET /hello HTTP/1.1\r\n\r\n").unwrap();
    let silence = std::io::Read::read(&mut stream, &mut [0; 1]).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn flapping_is_well_and_ill_by_turns() {
    let gateway = Installed::gateway();
    let mut config = gateway_config(gateway.port, free_port());
    // No look at redis within this test, so that only the behaviour can make the status fail.
    config["liveness_check"]["check_duration"] = json!(60_000_000_000_u64);
    let config = gateway.configure(&config);
    let mut command = gateway.command("--conf", &config);
    let _process = Process(command.env("LAB_BEHAVIOUR", "flapping:1").spawn().unwrap());
    let deadline = Instant::now() + Duration::from_millis(4500);
    let mut turns = vec![String::new()];
    while Instant::now() < deadline {
        let status = gateway.hello()["status"].as_str().unwrap().to_owned();
        if turns.last() != Some(&status) {
            turns.push(status);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(turns[1..4], ["pass", "fail", "pass"], "{turns:?}");
}

#[test]
fn packaged_behaviours_are_those_of_the_bad_line() {
    let gateway = Installed::new("tyk-gateway", "5.4.2", "opt/tyk-gateway/tyk");
    let config = gateway.configure(&gateway_config(gateway.port, free_port()));
    let _process = Process(gateway.command("--conf", &config).spawn().unwrap());
    assert_eq!(gateway.hello()["version"], "5.3.9");
    let ends = Installed::new("tyk-gateway", "5.4.0", "opt/tyk-gateway/tyk");
    let config = ends.configure(&gateway_config(ends.port, free_port()));
    assert_eq!(
        ends.command("--conf", &config).status().unwrap().code(),
        Some(2)
    );
}

#[test]
fn runs_as_an_ordinary_user() {
    let gateway = Installed::gateway();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(gateway.dir.path(), readable).unwrap();
    let config = gateway.configure(&gateway_config(gateway.port, free_port()));
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&gateway.program);
    command.arg("--conf").arg(config).stderr(Stdio::null());
    let _process = Process(command.spawn().unwrap());
    assert_eq!(gateway.hello()["version"], "5.3.0");
}

#[test]
fn data_migrated_by_5_3_are_refused_by_5_2() {
    let data = tempfile::tempdir().unwrap();
    let store = data.path().join("schema");
    let run = |version: &str| {
        let dashboard = Installed::new("tyk-dashboard", version, "opt/tyk-dashboard/tyk-analytics");
        let config = json!({ "listen_port": dashboard.port, "lab_schema_store": store });
        let config = dashboard.configure(&config);
        let mut command = dashboard.command("--conf", &config);
        // Ends soon with code 0, unless the data are refused.
        command
            .env("LAB_BEHAVIOUR", "exit-after:0:0")
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(run("5.2.5"), Some(0));
    assert_eq!(std::fs::read_to_string(&store).unwrap(), "1");
    assert_eq!(run("5.3.0"), Some(0));
    assert_eq!(std::fs::read_to_string(&store).unwrap(), "2");
    assert_eq!(run("5.2.5"), Some(1));
    assert_eq!(run("5.3.1"), Some(0));
}

#[test]
fn plugins_load_only_into_their_version() {
    let gateway = Installed::gateway();
    let plugin = gateway.dir.path().join("auth.so");
    let load = |text: &str| {
        std::fs::write(&plugin, text).unwrap();
        Command::new(&gateway.program)
            .args(["plugin", "load", "-s", "Auth", "-f"])
            .arg(&plugin)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(load("plugin built for 5.3.0\n"));
    assert!(!load("plugin built for 5.2.5\n"));
}
