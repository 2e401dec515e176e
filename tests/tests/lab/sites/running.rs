//! Components without a health question: one that does not keep running is not well.

use crate::sites::{drop_in, only_pump, wait_for};
use crate::upgrade::support::{changes, site};

const PUMP: &str = "tyk-pump.service";
const RUN: &str = "/opt/tyk-pump/tyk-pump -c /opt/tyk-pump/pump.conf";

/// What the new version does instead of serving, with what stands in its unit.
const CASES: [(&str, &str, &str, &str); 4] = [
    (
        "ends well",
        "sleep 0.1; exit 0",
        "Restart=no\n",
        "its program has ended",
    ),
    (
        "crash loop",
        "exit 1",
        "Restart=always\nRestartSec=10\n",
        "starts it again",
    ),
    (
        "never ready",
        "exec RUN",
        "Type=notify\nNotifyAccess=all\nTimeoutStartSec=infinity\n",
        "has not told systemd that it is ready",
    ),
    (
        "dies after seven seconds",
        "sleep 7; exit 3",
        "Restart=no\n",
        "the unit failed",
    ),
];

#[test]
fn a_component_without_a_question_that_does_not_keep_running_is_reverted() {
    let Some(site) = site("running") else { return };
    let mut forge = only_pump(&site);
    for component in &mut forge.product.components {
        component.health = None;
    }
    site.carry(&forge);
    for (case, does, settings, words) in CASES {
        let does = does.replace("RUN", RUN);
        let script = format!(
            "#!/bin/sh\nif ! grep -q '1\\.8\\.3' /opt/tyk-pump/tyk-pump; then {does}; fi\n\
             systemd-notify --ready\nexec {RUN}\n"
        );
        site.host
            .write("/usr/local/bin/pump", script, 0o755)
            .unwrap();
        let unit = format!("[Service]\nExecStart=\nExecStart=/usr/local/bin/pump\n{settings}");
        drop_in(&site, PUMP, &unit);
        wait_for(&site, 2);
        let before = site.snapshot();
        let run = site.install(&["--health-budget", "pump=20", "/root/bundle.tar.zst"]);
        assert_eq!(run.code(), Some(5), "{case}: {}", run.stderr);
        assert!(run.stdout.contains(words), "{case}: {}", run.stdout);
        assert_eq!(changes(&before, &site.snapshot()), [""; 0], "{case}");
        wait_for(&site, 2);
    }
    // The same host, with a pump that keeps running.
    drop_in(&site, PUMP, "[Service]\nEnvironment=CASE=none\n");
    wait_for(&site, 2);
    let run = site.must_install(&["/root/bundle.tar.zst"]);
    assert!(run.stdout.contains("and healthy"), "{}", run.stdout);
}
