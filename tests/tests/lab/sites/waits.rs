//! Waits for health: how long is the operator's choice, and each says what it waits for.

use std::time::Instant;

use crate::upgrade::support::site;

#[test]
fn a_budget_of_the_operator_holds_and_the_wait_says_what_it_waits_for() {
    let Some(site) = site("budget") else { return };
    site.carry(&site.forge("5.4.1", "5.4.1", "1.10.0"));
    let bad = site.install(&["--health-budget", "gateway=soon", "/root/bundle.tar.zst"]);
    assert_eq!(bad.code(), Some(2), "{}", bad.stderr);
    let began = Instant::now();
    let run = site.install(&["--health-budget", "gateway=20", "/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert!(began.elapsed().as_secs() < 110, "{:?}", began.elapsed());
    assert!(
        run.stdout.contains("it did not answer within 2 s (after 2"),
        "{}",
        run.stdout
    );
    for word in [
        "waiting for Tyk Gateway to be healthy: 1",
        " s left; last: it did not answer within 2 s",
        "has 20 s instead of",
    ] {
        assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
    }
    // Steps are numbered.
    assert!(run.stderr.contains("1/"), "{}", run.stderr);
    let plan = site
        .host
        .read("/var/lib/airgap-bundle/runs/1/plan.json")
        .unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    assert_eq!(plan["health_budgets"]["gateway"], 20);
}
