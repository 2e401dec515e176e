//! Upgrades that fail: the host is as it was, and the report says so.

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
