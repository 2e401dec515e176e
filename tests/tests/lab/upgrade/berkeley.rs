//! An older rpm (4.16.1) that keeps its database in Berkeley DB, under an older systemd (247).

use std::time::Duration;

use lab::isolated::RpmDatabase;

use crate::upgrade::support::{Site, changes, site_on};

fn site(name: &str) -> Option<Site> {
    let site = site_on(RpmDatabase::BerkeleyDb, name, &[])?;
    let packages = site.host.exists("/var/lib/rpm/Packages");
    let version = site.host.check(&["rpm", "--version"]).unwrap();
    assert!(packages && version.contains("4.16.1"), "{version}");
    Some(site)
}

#[test]
fn forward_and_back() {
    let Some(site) = site("bdb-forward") else {
        return;
    };
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    site.version(1);
    site.version(2);
    site.must_install(&["undo", "1"]);
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}

#[test]
fn an_upgrade_that_fails() {
    let Some(site) = site("bdb-fails") else {
        return;
    };
    let before = site.snapshot();
    site.carry(&site.forge("5.4.10", "5.4.8", "1.10.0"));
    assert_eq!(site.install(&["/root/bundle.tar.zst"]).code(), Some(5));
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}

#[test]
fn an_rpm_that_is_killed() {
    let Some(site) = site("bdb-killed") else {
        return;
    };
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let running = site
        .host
        .spawn(&["/root/install", "/root/bundle.tar.zst"])
        .unwrap();
    // rpm is killed with everything it started, as soon as it works; an rpm with `--test` only
    // queries.
    let kill = "until pids=$(pgrep -f '^/usr/bin/rpm -U --nomanifest --noglob /proc'); do :; done; \
                kill -KILL $pids";
    site.host.check(&["sh", "-c", kill]).unwrap();
    let finished = running.wait(Duration::from_secs(120)).unwrap();
    let report = &finished.stdout;
    assert_eq!(finished.code(), Some(5), "{}{report}", finished.stderr);
    assert!(report.contains("signal"), "{report}");
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    site.version(1);
    site.version(2);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}
