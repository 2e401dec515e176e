//! Upgrades that fail: the host is as it was, and the report agrees.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::upgrade::support::{changes, site};

/// A version that fails: its name here, the versions of gateway, dashboard and pump, and what the
/// report says of it.
type Row = (&'static str, [&'static str; 3], &'static str);

/// What rpm's own steps do.
const SCRIPTLETS: [Row; 6] = [
    (
        "a post scriptlet that fails although rpm exits with zero",
        ["5.4.3", "5.4.3", "1.10.0"],
        "scriptlet",
    ),
    (
        "a pre scriptlet that fails",
        ["5.4.4", "5.4.4", "1.10.0"],
        "reverted",
    ),
    (
        "a scriptlet before the transaction that fails",
        ["5.4.11", "5.4.9", "1.10.0"],
        "reverted",
    ),
    (
        "a scriptlet after the transaction that fails although rpm exits with zero",
        ["5.4.12", "5.4.8", "1.10.0"],
        "scriptlet",
    ),
    (
        "a package that refuses its replacement does not block the way back",
        ["5.4.10", "5.4.8", "1.10.0"],
        "reverted",
    ),
    (
        "a package that fails after its removal does not block the way back",
        ["5.4.13", "5.4.8", "1.10.0"],
        "reverted",
    ),
];

/// What services do. `survival` has one that hangs.
const SERVICES_THAT_FAIL: [Row; 3] = [
    (
        "a service that exits",
        ["5.4.0", "5.4.0", "1.10.0"],
        "systemd restarts: ",
    ),
    (
        "a service that answers with the wrong version",
        ["5.4.2", "5.4.2", "1.10.0"],
        "5.3.9",
    ),
    (
        "a second component that fails takes the first one back too",
        ["5.4.5", "5.4.5", "1.10.0"],
        "reverted",
    ),
];

/// Runs upgrades to versions that fail, one after the other on one host, and compares everything
/// after each.
fn each_fails_and_reverts(name: &str, rows: &[Row]) {
    let Some(site) = site(name) else { return };
    let before = site.snapshot();
    for (row, [gateway, dashboard, pump], word) in rows {
        site.carry(&site.forge(gateway, dashboard, pump));
        let run = site.install(&["/root/bundle.tar.zst"]);
        assert_eq!(run.code(), Some(5), "{row}: {}", run.stderr);
        assert!(run.stdout.contains("reverted"), "{row}: {}", run.stdout);
        assert!(run.stdout.contains(word), "{row}: {}", run.stdout);
        assert_eq!(changes(&before, &site.snapshot()), [""; 0], "{row}");
        assert_eq!(site.version(0).as_deref(), Some("5.2.5"), "{row}");
        site.version(1);
        site.version(2);
        let status = site.install(&["status"]);
        let is_closed = status.stdout.contains("No run is open");
        assert!(is_closed, "{row}: {}", status.stdout);
    }
}

#[test]
fn versions_whose_scriptlets_fail() {
    each_fails_and_reverts("scriptlets", &SCRIPTLETS);
}

#[test]
fn versions_whose_services_fail() {
    each_fails_and_reverts("services", &SERVICES_THAT_FAIL);
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
