//! The programs inside the RPMs, extracted and run: every way to fail.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::vendor::installed::{Installed, Process, free_port, gateway_config, wait_for};

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
fn exits_with_the_requested_code() {
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
    // The first look at redis comes after this test, so only the behaviour can make the status
    // fail.
    config["liveness_check"]["check_duration"] = json!(60_000_000_000_u64);
    let config = gateway.configure(&config);
    let mut command = gateway.command("--conf", &config);
    let _process = Process(command.env("LAB_BEHAVIOUR", "flapping:1").spawn().unwrap());
    // A late first look must not fail the test.
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut turns: Vec<String> = Vec::new();
    while turns.len() < 4 && Instant::now() < deadline {
        let status = gateway.hello()["status"].as_str().unwrap().to_owned();
        if turns.last() != Some(&status) {
            turns.push(status);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let both = ["pass", "fail", "pass", "fail", "pass"];
    assert!(turns == both[..4] || turns == both[1..], "{turns:?}");
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
