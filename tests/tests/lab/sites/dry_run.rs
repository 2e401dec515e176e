//! `plan` is the dry run: a host with several problems hears of all of them at once, and each next
//! step leads to a host without them. `status` says what a run does, and each state has its code.

use std::time::Duration;

use lab::isolated::{Finished, Guest};
use lab::vendor::Product;
use serde_json::Value;

use crate::sites::{drop_in, wait_for};
use crate::upgrade::support::{Site, changes, site_with};

const BUNDLE: &str = "/root/bundle.tar.zst";
const KEPT: &str = "/usr/libexec/airgap-bundle";
const STATE: &str = "/var/lib/airgap-bundle";
/// As the real ones behave: one denies what it does not know, the other one makes it known.
const FAPOLICYD: &str = "mkdir -p /usr/libexec/airgap-bundle && \
     mount -t tmpfs -o noexec,mode=0755 none /usr/libexec/airgap-bundle && \
     systemd-run --quiet --unit=fapolicyd sleep 1d && \
     printf '#!/bin/sh\\n[ \"$1\" = --update ] && mount -o remount,exec /usr/libexec/airgap-bundle\\n\
     exit 0\\n' >/usr/bin/fapolicyd-cli && chmod 755 /usr/bin/fapolicyd-cli";
const DNF: &str = "mkdir -p /etc/dnf/plugins && ln -s /bin/true /usr/bin/dnf && \
     echo 'tyk-gateway-0:5.2.5-1.*' >/etc/dnf/plugins/versionlock.list";

fn json(run: &Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout))
}

fn codes(document: &Value, list: &str) -> Vec<String> {
    let of = |one: &Value| one["code"].as_str().unwrap().to_owned();
    document[list].as_array().unwrap().iter().map(of).collect()
}

fn next(document: &Value, code: &str) -> String {
    let all = document["problems"].as_array().unwrap();
    let one = all.iter().find(|one| one["code"] == code).unwrap();
    one["next"].as_str().unwrap().to_owned()
}

/// Gives a host everything that speaks against a run at once.
fn spoil(site: &Site) {
    let ill = "[Service]\nEnvironment=LAB_BEHAVIOUR=never-listens\n";
    drop_in(site, "tyk-gateway.service", ill);
    site.shell("systemctl stop tyk-dashboard");
    // systemd has not read it.
    let unread = "[Service]\nEnvironment=A=b\n";
    let path = "/etc/systemd/system/tyk-pump.service.d/site.conf";
    site.host.write(path, unread, 0o644).unwrap();
    site.shell(FAPOLICYD);
    site.shell(DNF);
    // Packages that the named key did not sign.
    let mut forge = site.forge("5.3.2", "5.3.2", "1.9.0");
    forge.vendor_keys = vec![site.fixtures.package_key(Product::Acme).unwrap().file];
    site.carry(&forge);
}

fn everything_is_named(site: &Site) -> Value {
    let plan = site.install(&["--output", "json", "plan", BUNDLE]);
    assert_eq!(plan.code(), Some(4), "{}", plan.stderr);
    let document = json(&plan);
    let found = codes(&document, "problems");
    for code in ["plan", "health", "fapolicyd", "space", "package"] {
        assert!(found.iter().any(|one| one == code), "{code}: {found:?}");
    }
    assert_eq!(document["exit"], 4);
    for text in [site.install(&["plan", BUNDLE]), site.install(&[BUNDLE])] {
        assert_eq!(text.code(), Some(4), "{}", text.stderr);
        for words in [
            "daemon-reload",
            "Tyk Gateway is not well",
            "fapolicyd-cli --file add /usr/libexec/airgap-bundle/",
            "MiB free",
            "does not accept the package signatures",
        ] {
            assert!(text.stderr.contains(words), "{words}: {}", text.stderr);
        }
    }
    let notes = document["notes"].to_string();
    for words in [
        "tyk-dashboard.service does not run",
        "dnf history undo",
        "versionlock",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    document
}

/// An ordinary user is told what could not be checked.
fn as_user(site: &Site) {
    site.shell("cp /root/install /root/bundle.tar.zst /srv");
    let plan = ["/srv/install", "plan", "/srv/bundle.tar.zst"];
    let plan = site.host.run_as("operator", &plan).unwrap();
    assert!(
        plan.stderr.contains("daemon-reload") && !plan.stderr.contains("fapolicyd"),
        "{}",
        plan.stderr
    );
    assert!(plan.stdout.contains("not checked:"), "{}", plan.stdout);
}

fn mistypes(site: &Site) {
    let wrong = site.install(&["--output", "json", "stauts"]);
    assert_eq!(wrong.code(), Some(2));
    assert!(json(&wrong)["next"].as_str().unwrap().contains("`status`"));
    let dry = site.install(&["--output=json", "--dry-run", BUNDLE]);
    assert_eq!(dry.code(), Some(2));
    let document = json(&dry);
    assert_eq!(document["code"], "usage");
    assert!(document["next"].as_str().unwrap().contains("plan BUNDLE"));
}

#[test]
fn a_host_with_many_problems_hears_of_all_at_once_and_each_next_step_works() {
    let small = format!("--tmpfs={STATE}:size=48M,mode=0700");
    let Some(site) = site_with("dry-run", &[&small]) else {
        return;
    };
    spoil(&site);
    let before = site.snapshot();
    let document = everything_is_named(&site);
    let doctor = site.install(&["--output", "json", "doctor"]);
    assert_eq!(doctor.code(), Some(4), "{}", doctor.stdout);
    let found = codes(&json(&doctor), "checks");
    for code in [
        "trust",
        "health",
        "fapolicyd",
        "space",
        "unit",
        "rpm",
        "clock",
    ] {
        assert!(found.iter().any(|one| one == code), "{code}: {found:?}");
    }
    as_user(&site);
    mistypes(&site);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    assert_eq!(site.shell(&format!("ls {STATE}/store")), "");

    // Each next step, as it is printed.
    let trusting = next(&document, "fapolicyd");
    let command = trusting.split('`').nth(1).unwrap();
    assert!(command.contains(KEPT), "{command}");
    site.shell(command);
    site.shell("systemctl daemon-reload");
    site.shell("rm /etc/systemd/system/tyk-gateway.service.d/site.conf && systemctl daemon-reload");
    site.shell("systemctl restart tyk-gateway && systemctl start tyk-dashboard");
    site.shell(&format!("mount -o remount,size=2G {STATE}"));
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    wait_for(&site, 0);
    wait_for(&site, 1);
    site.must_install(&["doctor"]);
    let plan = site.install(&["plan", "--check", BUNDLE]);
    assert_eq!(plan.code(), Some(10), "{}{}", plan.stdout, plan.stderr);
    assert!(plan.stdout.contains("  room: "), "{}", plan.stdout);
    while_a_run_is_at_work(&site);
    and_its_undo_is_previewed(&site);
}

fn status(site: &Site) -> (Option<i32>, Value) {
    let run = site.install(&["--output", "json", "status"]);
    (run.code(), json(&run))
}

/// The states of a run, each with its code; a plan beside it is refused.
fn while_a_run_is_at_work(site: &Site) {
    site.carry(&site.forge("5.4.1", "5.4.1", "1.10.0"));
    let run = ["/root/install", "--health-budget", "gateway=40", BUNDLE];
    let _running = site.host.spawn(&run).unwrap();
    let waits = |guest: &Guest| {
        let events = guest.read(format!("{STATE}/runs/1/events.jsonl"));
        let events = String::from_utf8(events.unwrap_or_default()).unwrap_or_default();
        Ok(events.contains("to be healthy: "))
    };
    let minute = Duration::from_mins(1);
    site.host
        .wait_until("the wait for health", minute, waits)
        .unwrap();
    let (code, now) = status(site);
    assert_eq!(code, Some(11), "{now}");
    assert_eq!(now["state"], "at-work");
    let work = &now["work"];
    assert!(work["pid"].is_u64() && work["for_secs"].is_u64(), "{work}");
    assert!(work["place"]["number"].as_u64() <= work["place"]["of"].as_u64());
    let waiting = work["waiting_for"].as_str().unwrap();
    assert!(waiting.contains("did not answer within 2 s"), "{waiting}");
    let plan = site.install(&["plan", BUNDLE]);
    assert_eq!(plan.code(), Some(7), "{}", plan.stderr);
    assert!(plan.stderr.contains("run 1 is at work"), "{}", plan.stderr);

    site.shell("systemctl stop airgap-bundle-run");
    let (code, now) = status(site);
    assert_eq!(
        (code, &now["state"]),
        (Some(13), &Value::from("open")),
        "{now}"
    );
    let plan = site.install(&["plan", BUNDLE]);
    assert_eq!(plan.code(), Some(4), "{}", plan.stderr);
    assert!(
        plan.stderr.contains("run 1 is still open"),
        "{}",
        plan.stderr
    );
    assert_eq!(site.install(&["resume"]).code(), Some(5));
    assert_eq!(status(site).0, Some(0));
}

fn and_its_undo_is_previewed(site: &Site) {
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let done = site.must_install(&[BUNDLE]);
    // What dnf does not know is in the report, too.
    assert!(done.stdout.contains("dnf history undo"), "{}", done.stdout);
    let before = site.snapshot();
    let preview = site.install(&["undo", "2", "--plan", "--check"]);
    assert_eq!(preview.code(), Some(10), "{}", preview.stderr);
    let back = "tyk-gateway-5.3.2-1.x86_64 -> tyk-gateway-5.2.5-1.x86_64";
    assert!(preview.stdout.contains(back), "{}", preview.stdout);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}
