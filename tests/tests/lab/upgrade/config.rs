//! Configuration over an upgrade: edits that are carried over or put beside, the reports about
//! them, and the ways back.

use crate::upgrade::support::{Site, changes, site};

const POLICIES: &str = "/opt/tyk-gateway/policies/policies.json";
const ERROR: &str = "/opt/tyk-gateway/templates/error.json";
const CONFIG: &str = "/opt/tyk-gateway/tyk.conf";

/// Edits a plain file so that it merges, and one so that it does not. The configuration file was
/// edited when the host was set up.
fn edit(site: &Site) {
    let edits = [
        (POLICIES, "\"rate\": 1000", "\"rate\": 5000"),
        (
            ERROR,
            "\"error\": \"{{.Message}}\"",
            "\"problem\": \"{{.Message}}\"",
        ),
    ];
    for (path, from, to) in edits {
        let text = read(site, path);
        assert!(text.contains(from), "{path} is another one now");
        site.host
            .write(path, text.replace(from, to), 0o640)
            .unwrap();
    }
    site.host
        .check(&["systemctl", "restart", "tyk-gateway"])
        .unwrap();
}

fn read(site: &Site, path: &str) -> String {
    String::from_utf8(site.host.read(path).unwrap()).unwrap()
}

#[test]
fn edits_are_carried_over_or_put_beside_and_reported_and_undone() {
    let Some(site) = site("config") else { return };
    edit(&site);
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let plan = site.install(&["plan", "/root/bundle.tar.zst"]).stdout;
    for line in [
        "policies.json: overwritten by the package; your edit is carried over if it merges",
        "tyk.conf: your edit is kept; the new default is written to .rpmnew",
        "tyk_analytics.conf: ",
    ] {
        assert!(plan.contains(line), "{line} in {plan}");
    }
    let report = site.must_install(&["/root/bundle.tar.zst"]).stdout;
    for line in [
        "policies.json: your edit was carried over into the new default",
        "error.json: the new default is in place; bring over what you need from your edit in .yours",
        "tyk.conf: your edit stays; compare it with the new default in .rpmnew",
    ] {
        assert!(report.contains(line), "{line} in {report}");
    }
    let merged = read(&site, POLICIES);
    assert!(merged.contains("\"rate\": 5000") && merged.contains("\"hmac_enabled\""));
    serde_json::from_str::<serde_json::Value>(&merged).unwrap();
    let dress = site.host.check(&["stat", "-c", "%a %U", POLICIES]).unwrap();
    assert_eq!(dress.trim(), "644 root", "as the new package dresses it");
    assert!(read(&site, ERROR).contains("\"status\""));
    let yours = format!("{ERROR}.yours");
    assert!(read(&site, &yours).contains("\"problem\""));
    let dress = site.host.check(&["stat", "-c", "%a %U", &yours]).unwrap();
    assert_eq!(dress.trim(), "640 root", "as its editor left it");
    check_reports(&site);
    site.host
        .write("/opt/tyk-gateway/apps/later.json", "{}", 0o644)
        .unwrap();
    let undo = site.must_install(&["undo", "1"]);
    let merged = "then it is merged with what was there before";
    assert!(undo.stderr.contains(merged), "{}", undo.stderr);
    let kept = "later.json: your later edit is kept";
    assert!(undo.stdout.contains(kept), "{}", undo.stdout);
    let left = changes(&before, &site.snapshot());
    let is_later = |line: &String| line.contains("later.json") || line.contains("/apps");
    assert!(left.iter().all(is_later), "{left:?}");
    assert!(site.host.exists("/opt/tyk-gateway/apps/later.json"));
}

/// What `install config-changes` shows of the last run.
fn check_reports(site: &Site) {
    let text = site.must_install(&["config-changes"]).stdout;
    for line in [
        "+    \"org_id\": \"default\",",
        "+    \"hmac_enabled\": false",
        "-    \"rate\": 1000,",
        "+    \"rate\": 5000,",
        "--- old default",
        "+++ yours",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let dir = "/var/lib/airgap-bundle/runs/1/backup";
    let mode = ["stat", "-c", "%a", &format!("{dir}/config-changes.json")];
    assert_eq!(site.host.check(&mode).unwrap().trim(), "600");
    let stored = read(site, &format!("{dir}/config-changes.json"));
    assert!(
        !stored.contains("5000"),
        "the document holds no line of a file"
    );
    site.host
        .check(&["cp", "-a", dir, "/root/unsealed"])
        .unwrap();
    let args = [
        "config-changes",
        "1",
        "--backup",
        "/root/unsealed",
        "--output",
        "json",
    ];
    let shown = site.must_install(&args).stdout;
    site.host.check(&["rm", "-rf", "/root/unsealed"]).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["type"], "airgap-bundle/config-changes/1");
    let files = shown["files"].as_array().unwrap();
    let decision = |path: &str| {
        let file = files.iter().find(|file| file["path"] == path);
        file.unwrap()["decision"].clone()
    };
    assert_eq!(decision(POLICIES), "carried-over");
    assert_eq!(decision(ERROR), "put-beside");
    assert_eq!(decision(CONFIG), "kept-with-rpmnew");
    let refused = site.install(&["config-changes", "7"]);
    assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
}

#[test]
fn a_revert_takes_back_what_was_carried_over_and_put_beside() {
    let Some(site) = site("config-back") else {
        return;
    };
    edit(&site);
    let before = site.snapshot();
    // The gateway ends a second after its start.
    site.carry(&site.forge("5.4.0", "5.3.2", "1.10.0"));
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert!(run.stderr.contains("edits carried over"), "{}", run.stderr);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    let text = site.must_install(&["config-changes", "1"]).stdout;
    assert!(text.contains("the run was reverted"), "{text}");
}
