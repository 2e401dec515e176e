//! An unattended recovery does not give up: a database that comes back late ends it, and no person.

use std::time::Duration;

use lab::isolated::Guest;
use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::sites::going_back::{wait_for_step, wait_until_closed, wait_until_failed};
use crate::upgrade::data::Data;
use crate::upgrade::support::{changes, site};

const STARTS: &str = "systemctl start postgresql.service postgresql@15-main.service";

/// It waited two minutes, ended "successfully" with every service down, and nothing followed.
#[test]
fn a_database_that_is_back_after_minutes_ends_the_recovery_by_itself() {
    let Some(mut site) = site("late-database") else {
        return;
    };
    let options = StoresOptions::new(RedisAccess::Plain, PostgresAccess::Plain);
    let data = Data::on(&site, options);
    // The server is on another machine, as far as this one can tell.
    site.host
        .check(&["systemctl", "disable", "postgresql.service"])
        .unwrap();
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.10.1"));
    let running = site
        .host
        .spawn(&["/root/install", "/root/bundle.tar.zst"])
        .unwrap();
    // The dashboard was well, so it has migrated its data.
    wait_for_step(&site.host, "hold:pump");
    // What Redis has not saved is lost with the power.
    site.host.check(&["redis-cli", "save"]).unwrap();
    site.host.power_off_hard().unwrap();
    drop(running);
    site.host.boot_again().unwrap();

    // It waits longer than a server needs to start, and systemd shows that a run is open.
    wait_until_failed(&site.host);
    let failed = site
        .host
        .check(&["systemctl", "--failed", "--no-legend", "--plain"])
        .unwrap();
    assert!(failed.contains("airgap-bundle-recover.service"), "{failed}");
    let log = [
        "journalctl",
        "-b",
        "-u",
        "airgap-bundle-recover",
        "--no-pager",
    ];
    let said = site.host.check(&log).unwrap();
    assert!(said.contains("waiting for dashboard-main"), "{said}");
    // The gateway misses nothing, and serves meanwhile.
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert!(!site.host.unit("tyk-dashboard.service").unwrap().is_active());

    site.host.check(&["sh", "-c", STARTS]).unwrap();
    wait_until_closed(&site);
    data.check_unchanged(&site);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    let status = site.must_install(&["status"]).stdout;
    assert!(
        status.contains("failed and reverted, the host is as it was"),
        "{status}"
    );
    let is_clean = |guest: &Guest| {
        let failed = guest.check(&["systemctl", "--failed", "--no-legend", "--plain"])?;
        Ok(!failed.contains("airgap-bundle"))
    };
    let minute = Duration::from_mins(1);
    site.host
        .wait_until("no unit of ours is failed", minute, is_clean)
        .unwrap();
}
