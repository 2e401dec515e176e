//! The scriptlets, run by a real shell with nothing but recording stand-ins on the path.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::vendor::support::{fixtures, query};

const COMMANDS: [&str; 9] = [
    "chkconfig",
    "chmod",
    "chown",
    "cp",
    "getent",
    "groupadd",
    "service",
    "systemctl",
    "useradd",
];

/// What one scriptlet of an RPM did.
struct Run {
    calls: Vec<String>,
    printed: String,
    code: i32,
}

impl Run {
    fn called(&self, call: &str) -> bool {
        self.calls.iter().any(|made| made == call)
    }
}

fn run(package: &str, version: &str, tag: &str, argument: &str) -> Run {
    let rpm = fixtures().rpm(package, version, "el8", "x86_64").unwrap();
    let script = query(&rpm, &["--qf", &format!("%{{{tag}}}")]);
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("calls");
    for command in COMMANDS {
        let stand_in = dir.path().join(command);
        // getent fails, so that users and groups are "created".
        let code = if command == "getent" { 2 } else { 0 };
        let text = format!(
            "#!/bin/sh\necho \"{command} $*\" >>{}\nexit {code}\n",
            log.display()
        );
        std::fs::write(&stand_in, text).unwrap();
        std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new("/bin/sh")
        .args(["-c", &script, "scriptlet", argument])
        .env_clear()
        .env("PATH", dir.path())
        .output()
        .unwrap();
    Run {
        calls: std::fs::read_to_string(&log)
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect(),
        printed: String::from_utf8_lossy(&output.stdout).into_owned(),
        code: output.status.code().unwrap(),
    }
}

#[test]
fn postun_stops_the_service_on_upgrade_too() {
    for (package, version) in [
        ("tyk-gateway", "5.2.5"),
        ("tyk-dashboard", "5.3.0"),
        ("tyk-pump", "1.9.0"),
    ] {
        for remaining in ["0", "1"] {
            let run = run(package, version, "POSTUN", remaining);
            assert!(
                run.called(&format!("systemctl stop {package}.service")),
                "{:?}",
                run.calls
            );
            assert!(
                run.called(&format!("service stop {package}")),
                "the vendor's argument order"
            );
            assert!(run.called(&format!("chkconfig --del {package}")));
            assert_eq!(run.code, 0);
        }
        assert_eq!(
            run(package, version, "POSTUN", "2").calls,
            Vec::<String>::new()
        );
    }
}

#[test]
fn post_enables_on_installation_and_only_restarts_on_upgrade() {
    let clean = run("tyk-gateway", "5.3.0", "POSTIN", "1");
    for call in [
        "daemon-reload",
        "unmask tyk-gateway.service",
        "preset tyk-gateway.service",
        "enable tyk-gateway.service",
        "restart tyk-gateway.service",
    ] {
        assert!(
            clean.called(&format!("systemctl {call}")),
            "{call}: {:?}",
            clean.calls
        );
    }
    let upgrade = run("tyk-gateway", "5.3.0", "POSTIN", "2");
    assert!(upgrade.called("systemctl restart tyk-gateway.service"));
    assert!(
        !upgrade.calls.iter().any(|call| call.contains("enable")),
        "{:?}",
        upgrade.calls
    );
    assert!(
        upgrade
            .printed
            .contains("\u{1b}[32m Post Install of an upgrade")
    );
    let three = run("tyk-gateway", "5.3.0", "POSTIN", "3");
    assert!(
        three.called("systemctl enable tyk-gateway.service"),
        "any other number is clean"
    );
}

#[test]
fn post_sets_mode_and_owner() {
    let gateway = run("tyk-gateway", "5.3.0", "POSTIN", "2");
    assert!(gateway.called("chmod 660 /opt/tyk-gateway/tyk.conf"));
    assert!(!gateway.calls.iter().any(|call| call.starts_with("chown")));
    let pump = run("tyk-pump", "1.9.0", "POSTIN", "2");
    assert!(pump.called("chmod 660 /opt/tyk-pump/pump.conf"));
    assert!(pump.called("chown -R tyk:tyk /opt/tyk-pump"));
}

#[test]
fn pre_creates_the_user() {
    let run = run("tyk-dashboard", "5.3.0", "PREIN", "1");
    assert!(run.called("groupadd -r tyk"));
    assert!(
        run.calls
            .iter()
            .any(|call| call.starts_with("useradd -r -g tyk -M -s /sbin/nologin"))
    );
    assert_eq!(run.code, 0);
}

#[test]
fn broken_scriptlets_fail_as_announced() {
    let post = run("tyk-gateway", "5.4.3", "POSTIN", "2");
    assert_eq!((post.code, post.calls.len()), (3, 0));
    assert_eq!(run("tyk-gateway", "5.4.4", "PREIN", "2").code, 1);
    assert_eq!(run("tyk-dashboard", "5.4.4", "PREIN", "2").code, 0);
}

#[test]
fn tyk_has_no_preun_and_has_posttrans() {
    let rpm = fixtures()
        .rpm("tyk-gateway", "5.3.0", "el8", "x86_64")
        .unwrap();
    assert_eq!(query(&rpm, &["--qf", "%{PREUN}"]), "(none)");
    assert!(query(&rpm, &["--qf", "%{POSTTRANS}"]).contains("inits/systemd/system"));
    assert_eq!(query(&rpm, &["--qf", "%{POSTINPROG}"]), "/bin/sh");
}

#[test]
fn the_second_product_behaves() {
    let upgrade = run("relayd", "2.0.0", "POSTUN", "1");
    assert!(upgrade.called("systemctl try-restart relayd.service"));
    assert_eq!(
        run("relayd", "2.0.0", "POSTUN", "0").calls,
        Vec::<String>::new()
    );
    assert!(run("relayd", "2.0.0", "PREUN", "0").called("systemctl disable --now relayd.service"));
    assert_eq!(
        run("relayd", "2.0.0", "PREUN", "1").calls,
        Vec::<String>::new()
    );
}
