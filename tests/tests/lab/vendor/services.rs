//! The programs inside the RPMs, extracted and run: well behaved.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::vendor::http;
use serde_json::{Value, json};

use crate::vendor::installed::{Installed, Process, free_port, gateway_config, redis, wait_for};

#[test]
fn gateway_reports_pass_without_details_then_with_redis() {
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
            start.elapsed() < Duration::from_mins(1),
            "redis is down and the service did not notice"
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
