//! What a site decides once for all runs, and what stays on a host after a run.

use lab::forge::{Seal, TestKey};
use lab::isolated::Finished;
use serde_json::Value;

use crate::sites::going_back::{wait_until_closed, wait_until_failed};
use crate::upgrade::support::{Site, changes, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
const FILE: &str = "/etc/airgap-bundle/install.toml";
const KEPT: &str = "/usr/libexec/airgap-bundle/install";
const SAMPLE: &str = "/opt/tyk-gateway/apps/app_sample.json";
const CHOICES: &str = "dump-time-limit = 900\n\
                       [health-budget]\ngateway = 20\n\
                       [unhealthy-before]\nportal = \"it has no port that we may ask\"\n";

fn file(site: &Site, text: &str, mode: u32) {
    site.host.write(FILE, text, mode).unwrap();
}

#[track_caller]
fn refused(site: &Site, words: &[&str]) {
    let before = site.snapshot();
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    has(&run.stderr, words);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}

fn report(site: &Site, run: u64) -> Value {
    let info = ["--output", "json", "history", "info", &run.to_string()];
    let info: Finished = site.must_install(&info);
    serde_json::from_str(&info.stdout).unwrap()
}

#[test]
fn a_sites_own_file_and_what_stays_after_a_run() {
    let Some(site) = site("site-file") else {
        return;
    };
    site.carry(&site.forge("5.4.0", "5.4.0", "1.10.0"));
    only_roots_file_with_known_keys_counts(&site);
    a_sequence_far_ahead_asks(&site);
    file(&site, CHOICES, 0o644);
    choices_are_shown_with_their_origin(&site);
    site.host.check(&["rm", SAMPLE]).unwrap();
    a_failed_run_has_the_words_of_its_service(&site);
    the_installer_stays_for_undo(&site);
    a_missing_mount_is_waited_for(&site);
}

fn only_roots_file_with_known_keys_counts(site: &Site) {
    file(site, CHOICES, 0o666);
    refused(site, &["install.toml", "others can write to it"]);
    file(site, "health-budgets = 3\n", 0o644);
    refused(site, &["no key `health-budgets`", "`health-budget`"]);
    file(
        site,
        "allow-downgrade-because = \"because we must\"\n",
        0o644,
    );
    refused(site, &["decided for each run"]);
    site.host.check(&["rm", FILE]).unwrap();
}

/// A mistyped one would be the mark for ever.
fn a_sequence_far_ahead_asks(site: &Site) {
    let key = TestKey::from_seed(1).unwrap();
    let seal = Seal {
        keys: vec![&key],
        sequence: 4_000_000_000,
        ..Seal::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundle.tar.zst");
    let forge = site.forge("5.3.2", "5.3.2", "1.9.0");
    forge.write_sealed(&seal, &path).unwrap();
    site.host
        .copy_in(&path, "/root/far.tar.zst", 0o644)
        .unwrap();
    let run = site.install(&["plan", "/root/far.tar.zst"]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    has(
        &run.stderr,
        &["4000000000", "--allow-sequence-jump-because"],
    );
    let reason = "the counter of the old builder was a time";
    let plan = site.must_install(&[
        "plan",
        "--allow-sequence-jump-because",
        reason,
        "/root/far.tar.zst",
    ]);
    has(&plan.stdout, &[reason]);
}

fn choices_are_shown_with_their_origin(site: &Site) {
    let plan = site.must_install(&["plan", BUNDLE]).stdout;
    has(
        &plan,
        &[
            "--health-budget gateway=20 (from /etc/airgap-bundle/install.toml)",
            "Tyk Gateway has 20 s",
            "choices of --unhealthy-before for portal mean nothing in this run",
        ],
    );
    assert!(!plan.contains("no port that we may ask"), "{plan}");
    let flag = ["plan", "--health-budget", "gateway=25", BUNDLE];
    let plan = site.must_install(&flag).stdout;
    has(&plan, &["gateway=25 (from the command line)"]);
    assert!(!plan.contains("gateway=20"), "{plan}");
    let variable = "INSTALL_HEALTH_BUDGET=gateway=22 /root/install plan /root/bundle.tar.zst";
    let plan = site.host.check(&["sh", "-c", variable]).unwrap();
    has(&plan, &["gateway=22 (from the environment)"]);
    // An ordinary user cannot read a file that is root's alone.
    let user = "chmod 600 /etc/airgap-bundle/install.toml; chmod 711 /root; \
                runuser -u nobody -- /root/install plan /root/bundle.tar.zst";
    let plan = site.host.check(&["sh", "-c", user]).unwrap();
    has(&plan, &["only root can read the site's file"]);
}

fn a_failed_run_has_the_words_of_its_service(site: &Site) {
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    has(
        &run.stdout,
        &["tyk-gateway.service said last:", "panic: runtime error"],
    );
    let report = report(site, 1);
    assert_eq!(report["unit_logs"][0]["unit"], "tyk-gateway.service");
    assert!(
        report["unit_logs"]
            .to_string()
            .contains("panic: runtime error")
    );
    assert_eq!(report["chosen"][0]["from"], "site-file", "{report}");
    assert!(!site.host.exists(SAMPLE));
    assert!(
        !site.host.exists("/usr/libexec/airgap-bundle"),
        "there is nothing to undo"
    );
    // The secret of tyk.conf, which stood in what the service said.
    site.must_install(&["support", "-o", "/root/support.tar.gz"]);
    let list = site
        .host
        .check(&["tar", "-tzf", "/root/support.tar.gz"])
        .unwrap();
    has(&list, &["support/runs/1/unit-logs.json"]);
}

fn the_installer_stays_for_undo(site: &Site) {
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    has(
        &run.stdout,
        &[
            &format!("to go back: {KEPT} undo 2"),
            "it was deleted again",
        ],
    );
    assert!(!site.host.exists(SAMPLE), "the sample is not live again");
    // The stick is gone.
    let undo = format!("mv /root/install /root/gone && {KEPT} undo 2");
    site.host
        .command(&["sh", "-c", &undo])
        .deadline(std::time::Duration::from_secs(240))
        .run()
        .map(|run| assert_eq!(run.code(), Some(0), "{}", run.stderr))
        .unwrap();
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert!(!site.host.exists(SAMPLE));
    let prune = format!("{KEPT} backup prune --keep 0 && mv /root/gone /root/install");
    site.host.check(&["sh", "-c", &prune]).unwrap();
    assert!(
        !site.host.exists("/usr/libexec/airgap-bundle"),
        "nothing can be undone"
    );
}

/// What is written below a bare mount point, the mount hides.
fn a_missing_mount_is_waited_for(site: &Site) {
    const MOUNTED: &str = "/opt/tyk-pump";
    site.shell(&format!(
        "mkdir -p /srv/pump /etc/motd.d && cp -a {MOUNTED}/. /srv/pump && mount --bind /srv/pump {MOUNTED}"
    ));
    site.in_transaction(&format!(
        "umount -l {MOUNTED}; rm -r {MOUNTED}/*\n\
         /usr/bin/systemctl.real kill --kill-who=main -s KILL airgap-bundle-run.service\n"
    ));
    site.install(&[BUNDLE]);
    wait_until_failed(&site.host);
    site.end_meddling();
    let log = ["journalctl", "-u", "airgap-bundle-recover", "--no-pager"];
    let said = site.host.check(&log).unwrap();
    has(&said, &[&format!("{MOUNTED} is not mounted")]);
    let bare = site.shell(&format!("ls {MOUNTED}"));
    assert_eq!(bare, "", "nothing was put back below the bare mount point");
    let motd = site.shell("cat /etc/motd.d/airgap-bundle");
    has(
        &motd,
        &["run 4 is still open", "/usr/libexec/airgap-bundle/"],
    );
    site.shell(&format!("mount --bind /srv/pump {MOUNTED}"));
    wait_until_closed(site);
    for service in 0..3 {
        site.version(service);
    }
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert!(!site.host.exists("/etc/motd.d/airgap-bundle"));
}
