//! Upgrades that fail: the host is as it was, and the report agrees.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::upgrade::support::{changes, site};

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
    let report = fails_and_reverts("exits", "5.4.0", "5.4.0", "1.10.0");
    assert!(report.is_none_or(|report| report.contains("systemd restarts: ")));
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
fn a_scriptlet_before_the_transaction_that_fails() {
    fails_and_reverts("pretrans", "5.4.11", "5.4.9", "1.10.0");
}

#[test]
fn a_scriptlet_after_the_transaction_that_fails_although_rpm_exits_with_zero() {
    let report = fails_and_reverts("posttrans", "5.4.12", "5.4.8", "1.10.0");
    assert!(report.is_none_or(|report| report.contains("scriptlet")));
}

#[test]
fn a_package_that_refuses_its_replacement_does_not_block_the_way_back() {
    fails_and_reverts("preun", "5.4.10", "5.4.8", "1.10.0");
}

#[test]
fn a_package_that_fails_after_its_removal_does_not_block_the_way_back() {
    fails_and_reverts("postun", "5.4.13", "5.4.8", "1.10.0");
}

/// A package of a third party whose trigger fails whenever a gateway is installed.
const WATCHER: &str = "Name: watcher
Version: 1
Release: 1
Summary: Watches the gateway
License: none
BuildArch: noarch
%description
Watches the gateway.
%triggerin -- tyk-gateway
echo 'the gateway is not welcome' >&2
exit 6
%files
";

/// Builds it and returns its path.
fn watcher() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("watcher");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("watcher.spec"), WATCHER).unwrap();
    let built = Command::new("rpmbuild")
        .arg("-bb")
        .args(["--define", &format!("_topdir {}", dir.display())])
        .args(["--define", "_rpmfilename watcher.rpm"])
        .arg(dir.join("watcher.spec"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    dir.join("RPMS/watcher.rpm")
}

#[test]
fn a_trigger_of_another_package_that_fails_is_seen_and_does_not_block_the_way_back() {
    let Some(site) = site("trigger") else { return };
    site.host
        .copy_in(watcher(), "/root/watcher.rpm", 0o644)
        .unwrap();
    // Its trigger fails at once for the installed gateway, but rpm installs the package.
    let install = "rpm -i --nodeps /root/watcher.rpm; rpm -q watcher";
    site.host.check(&["sh", "-c", install]).unwrap();
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert!(run.stdout.contains("%triggerin"), "{}", run.stdout);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
}
