//! Upgrades that work, and their undo.

use crate::support::{changes, site};

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
