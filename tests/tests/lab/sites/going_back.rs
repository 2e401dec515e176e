//! Going back happens once: what it released is live, and where it cannot succeed a person ends it
//! with the printed commands.

use std::time::Duration;

use lab::isolated::{Guest, IsolatedHost};
use lab::stores::{PostgresAccess, RedisAccess, StoresOptions};

use crate::upgrade::data::Data;
use crate::upgrade::support::{SERVICES, Site, site};

const MINUTE: Duration = Duration::from_mins(1);
const TOOLS: &str = "/usr/lib/postgresql/15/bin";
const RECOVERY: &str = "airgap-bundle-recover.service";

fn shell(site: &Site, script: &str) -> String {
    site.host.check(&["sh", "-c", script]).unwrap()
}

pub(super) fn journal(guest: &Guest) -> String {
    let journal = guest.read("/var/lib/airgap-bundle/runs/1/journal");
    String::from_utf8_lossy(&journal.unwrap_or_default()).into_owned()
}

/// Waits until the journal of the run has a step.
pub(super) fn wait_for_step(host: &IsolatedHost, step: &str) {
    let wanted = format!("\"step\":\"{step}\"");
    let is_there = |guest: &Guest| Ok(journal(guest).contains(&wanted));
    host.wait_until(step, 3 * MINUTE, is_there).unwrap();
}

/// Waits until systemd counts the recovery as failed: it gave up for now, and a timer waits.
pub(super) fn wait_until_failed(host: &IsolatedHost) {
    let is_failed = |guest: &Guest| Ok(guest.unit(RECOVERY)?.active == "failed");
    host.wait_until("the recovery has failed", 5 * MINUTE, is_failed)
        .unwrap();
}

pub(super) fn wait_until_closed(site: &Site) {
    let is_closed = |guest: &Guest| {
        let unit = "/etc/systemd/system/airgap-bundle-recover.service";
        Ok(!guest.exists(unit) && guest.exists("/var/lib/airgap-bundle/runs/1/report.json"))
    };
    site.host
        .wait_until("the run is closed", 3 * MINUTE, is_closed)
        .unwrap();
}

fn check_services(site: &Site) {
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    for service in 1..SERVICES.len() {
        site.version(service);
    }
    let left = shell(
        site,
        "find /etc/systemd/system /run/systemd/system -name '*airgap-bundle*'",
    );
    assert_eq!(left, "", "no hold and no unit of ours is left");
}

/// A restore that fails, while everything else of the tool works, and the trial before the run.
fn break_restores(site: &Site) {
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--no-subscriptions*) ;; \
         *--exit-on-error*service=airgap-bundle*) echo 'broken' >&2; exit 1;; esac\n\
         exec {TOOLS}/pg_restore.real \"$@\"\n"
    );
    shell(
        site,
        &format!("mv {TOOLS}/pg_restore {TOOLS}/pg_restore.real"),
    );
    site.host
        .write(format!("{TOOLS}/pg_restore"), script, 0o755)
        .unwrap();
}

/// The commands said `install resume`, which is another program, and left the data as they were.
#[test]
fn the_printed_commands_put_a_host_back_whose_revert_failed_twice() {
    let Some(site) = site("by-hand") else { return };
    let options = StoresOptions::new(RedisAccess::Plain, PostgresAccess::Plain);
    let data = Data::on(&site, options);
    let before = site.nevras();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.10.1"));
    break_restores(&site);
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(6), "{}{}", run.stdout, run.stderr);
    wait_until_failed(&site.host);
    // The gateway misses nothing, and serves.
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert!(!site.host.unit("tyk-dashboard.service").unwrap().is_active());

    let status = site.install(&["status"]);
    assert!(
        [Some(12), Some(13)].contains(&status.code()),
        "{}",
        status.stdout
    );
    let status = status.stdout;
    assert!(
        status.contains("cause: Tyk Pump is not healthy"),
        "{status}"
    );
    assert!(status.contains("revert:"), "{status}");
    let (_, commands) = status.split_once("  by hand:\n").unwrap();
    let commands = commands.lines().map_while(|line| line.strip_prefix("    "));
    let script = commands.collect::<Vec<_>>().join("\n") + "\n";
    let typed = site.host.command(&["sh", "-ex"]).stdin(script.clone());
    let typed = typed.deadline(3 * MINUTE).run().unwrap();
    assert_eq!(
        typed.code(),
        Some(0),
        "{script}\n{}{}",
        typed.stdout,
        typed.stderr
    );

    data.check_unchanged(&site);
    assert_eq!(site.nevras(), before);
    check_services(&site);
    let status = site.must_install(&["status"]).stdout;
    assert!(status.contains("No run is open"), "{status}");
    assert!(
        status.contains("CLOSED AS IT IS, because: put back"),
        "{status}"
    );
    let again = site.install(&["close", "1", "--as-it-is", "there is nothing to close"]);
    assert_eq!(again.code(), Some(4), "{}", again.stderr);
}

/// Such a run stayed open, and a reboot weeks later rolled database, files and secrets back.
#[test]
fn what_was_released_is_live_and_no_later_boot_touches_it() {
    let Some(mut site) = site("live") else { return };
    let options = StoresOptions::new(RedisAccess::Plain, PostgresAccess::Plain);
    let data = Data::on(&site, options);
    // The pump ends at once.
    site.carry(&site.forge("5.3.2", "5.3.2", "1.10.1"));
    let helper = shell(&site, "rpm -ql tyk-gateway | grep /install/ | tail -1");
    let helper = helper.trim().to_owned();
    assert!(
        !helper.is_empty(),
        "the gateway has a file that nothing rewrites"
    );
    let running = site
        .host
        .spawn(&["/root/install", "/root/bundle.tar.zst"])
        .unwrap();
    // What changes before is saved with the last state.
    wait_for_step(&site.host, "hold:pump");
    // A configuration manager that insists on its mode.
    let puppet = format!(
        "systemd-run --quiet --unit=puppet sh -c 'while sleep 0.01; do chmod 0600 {helper}; done'"
    );
    shell(&site, &puppet);
    let followed = site.install(&["status", "--follow"]);
    drop(running);
    assert_eq!(
        followed.code(),
        Some(6),
        "{}{}",
        followed.stdout,
        followed.stderr
    );
    assert!(
        followed.stdout.contains("WITH DIFFERENCES"),
        "{}",
        followed.stdout
    );
    assert!(followed.stdout.contains(&helper), "{}", followed.stdout);
    wait_until_closed(&site);
    check_services(&site);

    data.stores
        .sql(&site.host, "CREATE TABLE live (name text)")
        .unwrap();
    data.stores
        .sql(&site.host, "INSERT INTO live VALUES ('written since')")
        .unwrap();
    shell(&site, "echo rotated > /opt/tyk-gateway/live.json");
    let nothing = site.install(&["resume"]);
    assert_eq!(nothing.code(), Some(2), "{}", nothing.stderr);
    site.host.power_off_hard().unwrap();
    site.host.boot_again().unwrap();
    data.stores.wait_until_well(&site.host).unwrap();
    assert_eq!(
        data.stores
            .sql(&site.host, "SELECT name FROM live")
            .unwrap(),
        "written since"
    );
    assert_eq!(shell(&site, "cat /opt/tyk-gateway/live.json"), "rotated\n");
    check_services(&site);
}
