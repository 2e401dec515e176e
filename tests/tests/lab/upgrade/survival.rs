//! Runs that are disturbed from outside: they end in one of two states without help.

use std::time::Duration;

use lab::isolated::{Guest, Snapshot};

use crate::upgrade::support::{SERVICES, Site, changes, site};

const MINUTE: Duration = Duration::from_secs(60);

/// Starts an upgrade whose gateway hangs, and waits for the first health question.
fn hanging(name: &str) -> Option<(Site, Snapshot, lab::isolated::Running)> {
    hanging_for(name, &[])
}

/// The same, with further arguments for the installer.
fn hanging_for(name: &str, more: &[&str]) -> Option<(Site, Snapshot, lab::isolated::Running)> {
    let site = site(name)?;
    let before = site.snapshot();
    site.carry(&site.forge("5.4.1", "5.4.1", "1.10.0"));
    let command = [&["/root/install"], more, &["/root/bundle.tar.zst"]].concat();
    let running = site.host.spawn(&command).unwrap();
    let at_health = |guest: &Guest| Ok(journal_says(guest, "health:gateway"));
    site.host
        .wait_until("the health step", MINUTE, at_health)
        .unwrap();
    Some((site, before, running))
}

fn journal_says(guest: &Guest, word: &str) -> bool {
    let journal = guest
        .read("/var/lib/airgap-bundle/runs/1/journal")
        .unwrap_or_default();
    String::from_utf8_lossy(&journal).contains(word)
}

/// Waits until the run is closed, and checks that the host is as it was and that the report agrees.
fn ends_as_it_was(site: &Site, before: &Snapshot) {
    let closed = |guest: &Guest| {
        Ok(guest.exists("/var/lib/airgap-bundle/runs/1/report.json")
            && !guest.exists("/etc/systemd/system/airgap-bundle-recover.service"))
    };
    site.host
        .wait_until("the run is closed", 2 * MINUTE, closed)
        .unwrap();
    let status = site.install(&["status"]);
    assert!(
        status.stdout.contains("failed and reverted"),
        "{}",
        status.stdout
    );
    assert_eq!(changes(before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    site.version(1);
    site.version(2);
    assert!(
        !site.host.exists("/usr/libexec/airgap-bundle"),
        "no copy of the installer is left"
    );
}

/// One run is watched by three processes, one after the other. The first gets a signal, the second is
/// lost with its terminal, the third sees the end. Meanwhile no other run can begin.
#[test]
fn watchers_and_a_second_installer_change_nothing() {
    let patience = ["--health-budget", "gateway=25"];
    let Some((site, before, _first)) = hanging_for("watchers", &patience) else {
        return;
    };
    let second = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(second.code(), Some(7), "{}", second.stderr);
    let busy = "another installer is at work: process";
    assert!(second.stderr.contains(busy), "{}", second.stderr);

    let stop = "pkill -TERM -f '^/root/install --health-budget'";
    site.host.check(&["sh", "-c", stop]).unwrap();
    let mut watcher = site
        .host
        .spawn(&["/root/install", "status", "--follow"])
        .unwrap();
    let is_at_rpm = |_: &Guest| Ok(watcher.output()?.1.contains("gateway: rpm -U"));
    site.host
        .wait_until("the second watcher", MINUTE, is_at_rpm)
        .unwrap();
    watcher.kill().unwrap();

    let followed = site.install(&["status", "--follow"]);
    assert_eq!(followed.code(), Some(5), "{}", followed.stderr);
    let was_told = followed.stderr.contains("gateway: rpm -U");
    assert!(was_told, "{}", followed.stderr);
    ends_as_it_was(&site, &before);
}

#[test]
fn a_killed_run_is_taken_up_by_itself() {
    let Some((site, before, _running)) = hanging("killed") else {
        return;
    };
    let kill = [
        "systemctl",
        "kill",
        "--signal=KILL",
        "--kill-who=main",
        "airgap-bundle-run",
    ];
    site.host.check(&kill).unwrap();
    ends_as_it_was(&site, &before);
}

#[test]
fn a_stopped_run_waits_held_and_blocks_others_until_it_is_resumed() {
    let Some((site, before, _running)) = hanging("stopped-run") else {
        return;
    };
    site.host
        .check(&["systemctl", "stop", "airgap-bundle-run"])
        .unwrap();
    assert!(site.install(&["status"]).stdout.contains("not finished"));
    assert_eq!(
        site.install(&["/root/bundle.tar.zst"]).code(),
        Some(4),
        "an open run blocks"
    );
    assert_eq!(site.install(&["resume"]).code(), Some(5));
    ends_as_it_was(&site, &before);
}

#[test]
fn a_host_that_lost_power_comes_back_by_itself() {
    let Some((mut site, before, running)) = hanging("power") else {
        return;
    };
    site.host.power_off_hard().unwrap();
    drop(running);
    site.host.boot_again().unwrap();
    ends_as_it_was(&site, &before);
    for (unit, ..) in SERVICES {
        assert!(site.host.unit(unit).unwrap().is_active(), "{unit}");
    }
}

#[test]
fn a_shutdown_in_the_middle_leaves_a_held_host_that_the_next_boot_puts_back() {
    let Some((mut site, before, running)) = hanging("shutdown") else {
        return;
    };
    site.host.shut_down().unwrap();
    drop(running);
    site.host.boot_again().unwrap();
    ends_as_it_was(&site, &before);
}

#[test]
fn a_recovery_that_is_killed_is_taken_again() {
    let Some((site, before, _running)) = hanging("twice") else {
        return;
    };
    let kill = |unit: &str| {
        [
            "systemctl",
            "kill",
            "--signal=KILL",
            "--kill-who=main",
            unit,
        ]
        .map(str::to_owned)
    };
    site.host.check(&kill("airgap-bundle-run")).unwrap();
    let at_revert = |guest: &Guest| Ok(journal_says(guest, "revert:transaction"));
    site.host
        .wait_until("the way back", MINUTE, at_revert)
        .unwrap();
    site.host.check(&kill("airgap-bundle-recover")).unwrap();
    ends_as_it_was(&site, &before);
}
