//! A version that needs packages that the host lacks, or has too old.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::isolated::Guest;
use lab::vendor::{Product, Profile, Vendor, VendorOptions};

use crate::upgrade::built::bundle;
use crate::upgrade::second_product::install_relay;
use crate::upgrade::support::{Site, changes, site};

const NEEDED: [&str; 4] = ["relay-codec", "relay-tables", "relay-dump", "relay-legacy"];

/// Builds for the host's inventory, and carries the bundle there.
fn carry(site: &Site, dir: &Path, version: &str, more: &[&str]) {
    let inventory = site.install(&["inventory"]);
    std::fs::write(dir.join("host.json"), &inventory.stdout).unwrap();
    let options = VendorOptions {
        profile: Profile::Bad,
        ..VendorOptions::default()
    };
    let vendor = Vendor::start(&site.fixtures, options).unwrap();
    let product = site
        .fixtures
        .product_toml(Product::Acme, &vendor.base_url())
        .unwrap();
    std::fs::write(dir.join("acme.toml"), product).unwrap();
    let mut args = vec!["build", "--product", "acme.toml", "--version", version];
    args.extend(["--without-installer", "x86_64", "--inventory", "host.json"]);
    args.extend(["--with-deps", "acme-base"]);
    args.extend(more);
    assert!(bundle(dir, &args).status.success());
    for file in ["bundle.tar.zst", "root.json"] {
        let to = format!("/root/{file}");
        site.host.copy_in(dir.join(file), to, 0o644).unwrap();
    }
    let root = std::fs::read(dir.join("root.json")).unwrap();
    let fingerprint = manifests::digest::Sha256::of(&root).to_string();
    let add = ["trust", "add", "/root/root.json", "--fingerprint"];
    site.must_install(&[&add[..], &[&fingerprint]].concat());
}

fn rpm(site: &Site, package: &str, version: &str) -> PathBuf {
    let found = site.fixtures.rpm(package, version, "el8", "x86_64");
    found.unwrap()
}

fn needed(site: &Site) -> Vec<String> {
    let mut ask = vec!["rpm", "-qa", "--qf", "%{NAME}-%{VERSION}\\n"];
    ask.extend(NEEDED);
    let answer = site.host.check(&ask).unwrap();
    let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_is_missing_comes_with_the_upgrade_and_goes_with_its_undo() {
    let Some(site) = site("needs") else { return };
    install_relay(&site);
    // This file belongs to no package, and rpm will write over it.
    let tool = "/usr/bin/relay-dump";
    site.host
        .write(tool, b"#!/bin/sh\n# ours\n", 0o700)
        .unwrap();
    let before = site.snapshot();
    let dir = tempfile::tempdir().unwrap();
    carry(&site, dir.path(), "2.2", &["--tool", "relay-dump"]);
    let plan = site.must_install(&["plan", "/root/bundle.tar.zst"]).stdout;
    for line in [
        "+ relay-codec-2.0.0-1.x86_64   (relay-codec >= 2.0 of relayd-2.2.0-1.x86_64)",
        "+ relay-tables-7.0.0-1.x86_64",
        "+ relay-dump-1.1.0-1.x86_64   (a tool of Acme Relay)",
    ] {
        assert!(plan.contains(line), "{line} in {plan}");
    }
    let done = site.must_install(&["/root/bundle.tar.zst"]).stdout;
    assert!(done.contains("new: relay-codec-2.0.0-1.x86_64"), "{done}");
    let all = [
        "relay-codec-2.0.0",
        "relay-dump-1.1.0",
        "relay-tables-7.0.0",
    ];
    assert_eq!(needed(&site), all);
    let (status, body) = site.host.http_get(9191, "/healthz").unwrap();
    assert!(status == 200 && body.contains("2.2.0"), "{body}");
    // The next upgrade adds nothing.
    let again = site.must_install(&["/root/bundle.tar.zst"]);
    assert!(again.stdout.contains("Nothing to do"), "{}", again.stdout);
    site.must_install(&["undo", "1"]);
    assert_eq!(needed(&site), Vec::<String>::new());
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}

#[test]
fn what_is_too_old_is_replaced_and_comes_back() {
    let Some(site) = site("needs-old") else {
        return;
    };
    install_relay(&site);
    let old = rpm(&site, "relay-codec", "1.0.0");
    site.host.copy_in(old, "/root/codec.rpm", 0o644).unwrap();
    site.host.check(&["rpm", "-U", "/root/codec.rpm"]).unwrap();
    let config = "/etc/relay-codec/relay-codec.conf";
    site.host
        .write(config, b"{ \"compact\": true }\n", 0o640)
        .unwrap();
    // This file belongs to no package, and takes the place of a file of a package that will come
    // and stay.
    let tables = "/usr/lib/relay-tables/tables.bin";
    site.host.write(tables, b"ours\n", 0o600).unwrap();
    let before = site.snapshot();
    let dir = tempfile::tempdir().unwrap();
    carry(&site, dir.path(), "2.2", &["--tool", "relay-dump"]);
    site.must_install(&["/root/bundle.tar.zst"]);
    let all = [
        "relay-codec-2.0.0",
        "relay-dump-1.1.0",
        "relay-tables-7.0.0",
    ];
    assert_eq!(needed(&site), all);
    // A new package now needs one that an undo would remove: that one stays, and the report names
    // it.
    let user = "/root/tables-user.rpm";
    site.host
        .copy_in(user_of_tables(dir.path()), user, 0o644)
        .unwrap();
    site.host.check(&["rpm", "-U", user]).unwrap();
    let undone = site.must_install(&["undo", "1"]).stdout;
    assert!(undone.contains("relay-tables stays installed"), "{undone}");
    assert!(!undone.contains("removed: relay-tables"), "{undone}");
    // The undo still removes what no package needs.
    assert!(undone.contains("removed: relay-dump"), "{undone}");
    assert_eq!(needed(&site), ["relay-codec-1.0.0", "relay-tables-7.0.0"]);
    // The package that stays is whole, also where another file was before.
    site.host.check(&["rpm", "-V", "relay-tables"]).unwrap();
    let away = ["rpm", "-e", "tables-user", "relay-tables"];
    site.host.check(&away).unwrap();
    let mut left = changes(&before, &site.snapshot());
    left.retain(|line| !line.contains("/usr/lib/relay-tables"));
    assert_eq!(left, Vec::<String>::new());
}

/// A package without files that needs the tables.
fn user_of_tables(dir: &Path) -> PathBuf {
    let spec = "Name: tables-user\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\n\
                BuildArch: noarch\nRequires: relay-tables\n%description\nx\n%files\n";
    std::fs::write(dir.join("user.spec"), spec).unwrap();
    let built = std::process::Command::new("rpmbuild")
        .args(["-bb", "--define"])
        .arg(format!("_topdir {}", dir.display()))
        .arg(dir.join("user.spec"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    dir.join("RPMS/noarch/tables-user-1-1.noarch.rpm")
}

/// A version that fails, and then one whose run is killed: each leaves the host as it was.
#[test]
fn a_version_that_fails_or_is_killed_takes_what_it_needed_away_again() {
    let Some(site) = site("needs-ill") else {
        return;
    };
    install_relay(&site);
    let before = site.snapshot();
    let dir = tempfile::tempdir().unwrap();
    carry(&site, dir.path(), "2.3", &["--tool", "relay-dump"]);
    // One of them took over a file of relayd's: the older version cannot come back beside it.
    let plan = site.must_install(&["plan", "/root/bundle.tar.zst"]).stdout;
    assert!(plan.contains("+ relay-legacy-1.0.0-1.x86_64"), "{plan}");
    let failed = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(failed.code(), Some(5), "{}", failed.stderr);
    assert_eq!(needed(&site), Vec::<String>::new());
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());

    let dir = tempfile::tempdir().unwrap();
    carry(&site, dir.path(), "2.2", &["--tool", "relay-dump"]);
    run_and_kill_it_in_its_transaction(&site);
    let status = site.install(&["status"]).stdout;
    assert!(status.contains("cut off"), "{status}");
    assert_eq!(needed(&site), Vec::<String>::new());
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}

/// Runs the second run of a host, and waits until it has ended by itself.
fn run_and_kill_it_in_its_transaction(site: &Site) {
    let _running = site
        .host
        .spawn(&["/root/install", "/root/bundle.tar.zst"])
        .unwrap();
    let begun = |guest: &Guest| {
        let journal = guest.read("/var/lib/airgap-bundle/runs/2/journal");
        let journal = journal.unwrap_or_default();
        Ok(String::from_utf8_lossy(&journal).contains("transaction:relay"))
    };
    let minute = Duration::from_secs(60);
    site.host.wait_until("rpm", minute, begun).unwrap();
    let kill = [
        "sh",
        "-c",
        "systemctl kill --signal=KILL --kill-who=main airgap-bundle-run && pkill -KILL -x rpm; true",
    ];
    site.host.check(&kill).unwrap();
    let closed = |guest: &Guest| {
        Ok(guest.exists("/var/lib/airgap-bundle/runs/2/report.json")
            && !guest.exists("/etc/systemd/system/airgap-bundle-recover.service"))
    };
    site.host.wait_until("the end", 2 * minute, closed).unwrap();
}
