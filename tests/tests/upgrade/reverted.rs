//! Upgrades that fail: the host is as it was, and the report says so.

use lab::isolated::IsolatedHost;

use crate::support::{changes, site};

/// Runs an upgrade to a version that fails, and compares everything.
fn fails_and_reverts(name: &str, gateway: &str, dashboard: &str, pump: &str) -> Option<String> {
    let site = site(name)?;
    let before = site.snapshot();
    site.carry(&site.forge(gateway, dashboard, pump));
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert!(run.stdout.contains("reverted"), "{}", run.stdout);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    site.version(1);
    site.version(2);
    let status = site.install(&["status"]);
    assert!(
        status.stdout.contains("No run is open"),
        "{}",
        status.stdout
    );
    Some(run.stdout)
}

#[test]
fn a_service_that_exits() {
    fails_and_reverts("exits", "5.4.0", "5.4.0", "1.10.0");
}

#[test]
fn a_service_that_hangs() {
    fails_and_reverts("hangs", "5.4.1", "5.4.1", "1.10.0");
}

#[test]
fn a_service_that_answers_with_the_wrong_version() {
    let report = fails_and_reverts("wrong-version", "5.4.2", "5.4.2", "1.10.0");
    assert!(report.is_none_or(|report| report.contains("5.3.9")));
}

#[test]
fn a_post_scriptlet_that_fails_although_rpm_exits_with_zero() {
    let report = fails_and_reverts("post", "5.4.3", "5.4.3", "1.10.0");
    assert!(report.is_none_or(|report| report.contains("scriptlet")));
}

#[test]
fn a_pre_scriptlet_that_fails() {
    fails_and_reverts("pre", "5.4.4", "5.4.4", "1.10.0");
}

#[test]
fn a_second_component_that_fails_takes_the_first_one_back_too() {
    fails_and_reverts("second", "5.4.5", "5.4.5", "1.10.0");
}

#[test]
fn a_run_that_was_killed_is_open_until_it_is_reverted() {
    let Some(site) = site("killed") else { return };
    let before = site.snapshot();
    site.carry(&site.forge("5.4.1", "5.4.1", "1.10.0"));
    let mut running = site
        .host
        .spawn(&["/root/install", "/root/bundle.tar.zst"])
        .unwrap();
    let host: &IsolatedHost = &site.host;
    let at_health = |guest: &lab::isolated::Guest| {
        let journal = guest
            .read("/var/lib/airgap-bundle/runs/1/journal")
            .unwrap_or_default();
        Ok(String::from_utf8_lossy(&journal).contains("health:gateway"))
    };
    host.wait_until(
        "the health step",
        std::time::Duration::from_secs(60),
        at_health,
    )
    .unwrap();
    running.kill().unwrap();
    assert_eq!(
        site.install(&["/root/bundle.tar.zst"]).code(),
        Some(4),
        "an open run blocks"
    );
    assert!(site.install(&["status"]).stdout.contains("not finished"));
    assert_eq!(site.install(&["revert"]).code(), Some(5));
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
}

#[test]
fn a_host_that_lost_power_keeps_its_services_down_until_it_is_reverted() {
    let Some(mut site) = site("power") else {
        return;
    };
    let before = site.snapshot();
    site.carry(&site.forge("5.4.1", "5.4.1", "1.10.0"));
    let running = site
        .host
        .spawn(&["/root/install", "/root/bundle.tar.zst"])
        .unwrap();
    let at_health = |guest: &lab::isolated::Guest| {
        let journal = guest
            .read("/var/lib/airgap-bundle/runs/1/journal")
            .unwrap_or_default();
        Ok(String::from_utf8_lossy(&journal).contains("health:gateway"))
    };
    let minute = std::time::Duration::from_secs(60);
    site.host
        .wait_until("the health step", minute, at_health)
        .unwrap();
    site.host.power_off_hard().unwrap();
    drop(running);
    site.host.boot_again().unwrap();
    for (unit, ..) in crate::support::SERVICES {
        assert!(!site.host.unit(unit).unwrap().is_active(), "{unit} is held");
    }
    assert_eq!(site.install(&["revert"]).code(), Some(5));
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    site.version(1);
    site.version(2);
}

#[test]
fn a_signal_in_the_middle_leads_to_a_revert() {
    let Some(site) = site("signal") else { return };
    let before = site.snapshot();
    site.carry(&site.forge("5.4.1", "5.4.1", "1.10.0"));
    let script = "/root/install /root/bundle.tar.zst & p=$!; \
                  until grep -q health:gateway /var/lib/airgap-bundle/runs/1/journal; do sleep 0.2; done; \
                  kill -TERM $p; wait $p";
    let run = site.host.run(&["sh", "-c", script]).unwrap();
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert!(run.stdout.contains("told to stop"), "{}", run.stdout);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
}
