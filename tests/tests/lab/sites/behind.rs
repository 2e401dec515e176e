//! Programs that remove the hold, or start a service behind it: configuration agents do both.

use crate::upgrade::support::{changes, site};

const DROP_INS: &str = "/etc/systemd/system/tyk-gateway.service.d/zz-airgap-bundle.conf \
                        /run/systemd/system/tyk-gateway.service.d/zz-airgap-bundle.conf";

#[test]
fn a_service_that_is_started_behind_the_hold_ends_the_run() {
    let Some(site) = site("behind") else { return };
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let before = site.snapshot();
    site.in_transaction(&format!(
        "rm {DROP_INS}\nsystemctl.real daemon-reload\nsystemctl.real start tyk-gateway.service\n"
    ));
    let run = site.install(&["/root/bundle.tar.zst"]);
    site.end_meddling();
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    let cause = "tyk-gateway.service was started while this run held it";
    assert!(run.stdout.contains(cause), "{}", run.stdout);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
}

#[test]
fn a_drop_in_that_is_purged_is_written_again_and_an_empty_directory_stays() {
    let Some(site) = site("purged") else { return };
    let own = "/etc/systemd/system/tyk-gateway.service.d";
    site.host.check(&["mkdir", own]).unwrap();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.in_transaction(&format!("rm {own}/*\nsystemctl.real daemon-reload\n"));
    let run = site.must_install(&["/root/bundle.tar.zst"]);
    site.end_meddling();
    let note = format!("written again: {own}/zz-airgap-bundle.conf");
    assert!(run.stderr.contains(&note), "{}", run.stderr);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    let left = site.host.check(&[
        "sh",
        "-c",
        "ls -A /etc/systemd/system/tyk-gateway.service.d /run/systemd/system",
    ]);
    assert!(!left.unwrap().contains("airgap"));
}

#[test]
fn an_agent_at_work_is_named_in_the_plan() {
    let Some(site) = site("agent") else { return };
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let agent = ["systemd-run", "--unit=puppet.service", "sleep", "600"];
    site.host.check(&agent).unwrap();
    let plan = site.must_plan();
    assert!(plan.contains("puppet.service is at work"), "{plan}");
    site.host
        .check(&["systemctl", "stop", "puppet.service"])
        .unwrap();
    assert!(!site.must_plan().contains("puppet"));
}
