//! Upgrades that work, and their undo.

use crate::upgrade::support::{changes, site};

#[test]
fn three_components_go_forward_and_undo_brings_everything_back() {
    let Some(site) = site("forward") else { return };
    let before = site.snapshot();
    let edited = site.host.read("/opt/tyk-gateway/tyk.conf").unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));

    site.must_install(&["verify", "/root/bundle.tar.zst"]);
    assert_eq!(
        site.install(&["plan", "--check", "/root/bundle.tar.zst"])
            .code(),
        Some(10)
    );
    site.must_install(&["/root/bundle.tar.zst"]);

    let wanted = [
        "tyk-dashboard-5.3.2-1.x86_64",
        "tyk-gateway-5.3.2-1.x86_64",
        "tyk-pump-1.9.0-1.x86_64",
    ];
    assert_eq!(site.nevras(), wanted);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    site.version(1);
    site.version(2);
    assert!(site.host.unit("tyk-gateway.service").unwrap().is_enabled());
    assert_eq!(site.host.read("/opt/tyk-gateway/tyk.conf").unwrap(), edited);
    assert!(
        !site
            .host
            .exists("/etc/systemd/system/tyk-gateway.service.d")
    );

    let again = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(again.code(), Some(0), "a second run has nothing to do");

    site.must_install(&["undo", "1"]);
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    let history = site.install(&["history"]);
    assert!(
        history.stdout.contains("undo of run 1"),
        "{}",
        history.stdout
    );
}

#[test]
fn a_host_with_one_component_gets_only_that_one() {
    let Some(site) = site("single") else { return };
    site.host
        .check(&["rpm", "-e", "tyk-dashboard", "tyk-pump"])
        .unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    assert_eq!(site.nevras(), ["tyk-gateway-5.3.2-1.x86_64"]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
}

#[test]
fn what_was_stopped_or_disabled_stays_so() {
    let Some(site) = site("stopped") else { return };
    site.host
        .check(&["systemctl", "disable", "--now", "tyk-pump.service"])
        .unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    let pump = site.host.unit("tyk-pump.service").unwrap();
    assert!(!pump.is_active() && !pump.is_enabled(), "{pump:?}");
    assert!(
        site.nevras()
            .contains(&"tyk-pump-1.9.0-1.x86_64".to_owned())
    );
    site.version(0);
}

#[test]
fn a_unit_that_stops_with_the_service_is_started_again_and_a_socket_is_no_way_around_the_hold() {
    let Some(site) = site("dependent") else {
        return;
    };
    let unit = "[Unit]\nBindsTo=tyk-gateway.service\nAfter=tyk-gateway.service\n\
                [Service]\nExecStart=/bin/sleep infinity\n";
    site.host
        .write("/etc/systemd/system/site-probe.service", unit, 0o644)
        .unwrap();
    let timer = "[Timer]\nOnActiveSec=1\nOnUnitInactiveSec=1\nUnit=tyk-pump.service\n";
    site.host
        .write("/etc/systemd/system/pump-waker.timer", timer, 0o644)
        .unwrap();
    site.host.check(&["systemctl", "daemon-reload"]).unwrap();
    site.host
        .check(&[
            "systemctl",
            "start",
            "site-probe.service",
            "pump-waker.timer",
        ])
        .unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    for unit in ["site-probe.service", "pump-waker.timer"] {
        assert!(site.host.unit(unit).unwrap().is_active(), "{unit}");
    }
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
}

#[test]
fn rollback_undoes_everything_after_a_run() {
    let Some(site) = site("rollback") else { return };
    let before = site.snapshot();
    site.carry(&site.forge("5.3.0", "5.3.0", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    // The second run changes the gateway alone; what a run of three undoes is seen in the first.
    let mut second = site.only("tyk-gateway", "5.3.2");
    let rpm = site.fixtures.rpm("tyk-gateway", "5.3.0", "el8", "x86_64");
    second
        .rpms
        .push((rpm.unwrap(), manifests::bundle::Role::Previous));
    site.carry(&second);
    site.must_install(&["/root/bundle.tar.zst"]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    let refused = site.install(&["undo", "1"]);
    assert_eq!(refused.code(), Some(4), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("undo run 2 first"),
        "{}",
        refused.stderr
    );
    site.must_install(&["rollback", "0"]);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    let nothing = site.must_install(&["rollback", "0"]);
    assert!(
        nothing.stdout.contains("Nothing to roll back"),
        "{}",
        nothing.stdout
    );
    let history = site.install(&["history", "prune", "--keep-runs", "1"]);
    assert!(
        history.stdout.contains("removed: 1, 2, 3"),
        "{}",
        history.stdout
    );
}
