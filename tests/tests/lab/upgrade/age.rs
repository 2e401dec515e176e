//! Older bundles and stolen keys: a host remembers its last sequence, and the keys that its roots
//! revoke.

use lab::forge::{Seal, TestKey, fingerprint, revoke, root_document, sign_root};
use lab::isolated::Finished;
use manifests::bundle::Role;
use manifests::json::canonical;
use manifests::trust::{RootDocument, SignedRoot};

use crate::upgrade::support::{Site, say, site};

const BUNDLE: &str = "/root/bundle.tar.zst";
const SEQUENCES: &str = "/var/lib/airgap-bundle/sequences.json";
const WANTED: &str = "the new scheme breaks the vendor's plugin";

fn carry(site: &Site, versions: [&str; 3], seal: &Seal<'_>) {
    let [gateway, dashboard, pump] = versions;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bundle");
    let mut forge = site.forge(gateway, dashboard, pump);
    // A target package must not also be listed as a previous version.
    let targets: Vec<_> = forge
        .rpms
        .iter()
        .take(3)
        .map(|(rpm, _)| rpm.clone())
        .collect();
    let is_previous = |(rpm, role): &(_, Role)| *role == Role::Target || !targets.contains(rpm);
    forge.rpms.retain(is_previous);
    forge.write_sealed(seal, &file).unwrap();
    site.host.copy_in(&file, BUNDLE, 0o644).unwrap();
}

#[track_caller]
fn assert_refused(run: &Finished, code: i32, words: &[&str]) {
    assert_eq!(run.code(), Some(code), "{}", run.stderr);
    for word in [&["error: ", "  why: ", " next: "][..], words].concat() {
        assert!(run.stderr.contains(word), "no `{word}` in {}", run.stderr);
    }
}

#[test]
fn replayed_bundles_are_refused_also_when_the_record_is_lost_and_a_downgrade_needs_a_reason() {
    let Some(site) = site("age") else { return };
    let key = TestKey::from_seed(1).unwrap();
    let carry = |versions, sequence| {
        let seal = Seal {
            keys: vec![&key],
            sequence,
            ..Seal::default()
        };
        carry(&site, versions, &seal);
    };
    let new = ["5.3.2", "5.3.2", "1.9.0"];
    let old = ["5.2.5", "5.2.5", "1.8.3"];
    carry(new, 7);
    site.must_install(&[BUNDLE]);
    // Equal is allowed: nothing is left to do.
    site.must_install(&[BUNDLE]);

    let mut replayed = 0;
    for sequence in 1..7 {
        carry(new, sequence);
        let words = &[
            "has sequence",
            "with sequence 7",
            "--allow-downgrade-because",
        ];
        assert_refused(&site.install(&[BUNDLE]), 4, words);
        replayed += 1;
    }
    // An ordinary user may not see the record, and the plan reports that.
    let plan = "chmod 711 /root && runuser -u nobody -- /root/install plan /root/bundle.tar.zst";
    let plan = site.host.check(&["sh", "-c", plan]).unwrap();
    assert!(plan.contains("only root can read"), "{plan}");

    // Without the record, the installed versions decide.
    site.host.check(&["rm", SEQUENCES]).unwrap();
    carry(old, 6);
    assert_refused(&site.install(&[BUNDLE]), 4, &["newer than the bundle's"]);
    // The record is damaged: an operator has to look.
    site.host.write(SEQUENCES, b"{", 0o600).unwrap();
    carry(new, 8);
    assert_refused(&site.install(&[BUNDLE]), 4, &["cannot be read", SEQUENCES]);
    site.host.check(&["rm", SEQUENCES]).unwrap();

    // The operator allows the downgrade and gives a reason. The way back lies in the store.
    carry(old, 6);
    let run = site.install(&["--allow-downgrade-because", "x", BUNDLE]);
    assert_eq!(run.code(), Some(2), "{}", run.stderr);
    let run = site.must_install(&["--allow-downgrade-because", WANTED, BUNDLE]);
    assert!(run.stdout.contains(WANTED), "{}", run.stdout);
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    let log = site.host.check(&["journalctl", "-u", "airgap-bundle-run"]);
    assert!(log.unwrap().contains(WANTED));
    let info = site.must_install(&["history", "info", "2"]);
    assert!(info.stdout.contains(WANTED), "{}", info.stdout);
    site.must_install(&["undo", "2"]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    say(&format!(
        "replays: {replayed} of {replayed} older bundles refused"
    ));
}

/// Version 1 as on every host of the lab, with its signature; version 2 with another release key.
fn chain(first: &TestKey, second: &TestKey) -> Vec<SignedRoot> {
    let mut next = root_document(2, first, second);
    revoke(&mut next, &TestKey::from_seed(5).unwrap());
    let one = root_document(1, first, first);
    [one, next]
        .iter()
        .map(|root| sign_root(root, &[first]).unwrap())
        .collect()
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn a_renewed_root_is_remembered_and_the_old_key_is_refused() {
    let Some(site) = site("renewed") else { return };
    let (first, second) = (
        TestKey::from_seed(1).unwrap(),
        TestKey::from_seed(4).unwrap(),
    );
    let new = ["5.3.2", "5.3.2", "1.9.0"];
    let trust = chain(&first, &second);
    let seal = |keys, trust: &[SignedRoot]| Seal {
        keys,
        trust: trust.to_vec(),
        sequence: 3,
    };
    // Signed by a key that the host does not know yet, without the chain.
    carry(&site, new, &seal(vec![&second], &[]));
    assert_refused(&site.install(&[BUNDLE]), 3, &["none of which is trusted"]);
    // A chain that the old quorum did not sign changes no trust.
    let forged = [
        trust[0].clone(),
        sign_root(&root_document(2, &second, &second), &[&second]).unwrap(),
    ];
    carry(&site, new, &seal(vec![&second], &forged));
    assert_refused(&site.install(&[BUNDLE]), 3, &["none of which is trusted"]);
    // The old key signs, and its bundle carries the chain that replaces it.
    carry(&site, new, &seal(vec![&first], &trust));
    let words = &["may not sign any more since root version 2"];
    assert_refused(&site.install(&[BUNDLE]), 3, words);

    carry(&site, new, &seal(vec![&second], &trust));
    site.must_install(&["verify", BUNDLE]);
    site.must_install(&["plan", BUNDLE]);
    let listed = site.must_install(&["trust", "list"]).stdout;
    assert!(listed.contains("version      1"), "only looked: {listed}");
    let run = site.must_install(&[BUNDLE]);
    assert!(run.stderr.contains("now at version 2"), "{}", run.stderr);
    let listed = site.must_install(&["trust", "list"]).stdout;
    assert!(listed.contains("stolen in a test"), "{listed}");
    // From now on the old key alone is refused.
    carry(&site, new, &seal(vec![&first], &[]));
    assert_refused(&site.install(&["verify", BUNDLE]), 3, words);
    // And the old root document does not come back.
    let old = fingerprint(&trust[0].bytes);
    let add = ["trust", "add", "/root/root.json", "--fingerprint", &old];
    assert_refused(&site.install(&add), 3, &["version 2 of the same keys"]);

    // A newer one without its chain has to be confirmed, and takes the place of the old one.
    let add = ["trust", "add", "/root/alone.json"];
    let put = |document: &RootDocument| {
        let bytes = canonical(document).unwrap();
        site.host.write("/root/alone.json", &bytes, 0o644).unwrap();
        fingerprint(&bytes)
    };
    let mut alone = root_document(4, &first, &second);
    let lesser = put(&alone);
    let with_less = [&add[..], &["--fingerprint", &lesser]].concat();
    assert_refused(&site.install(&with_less), 3, &["does not revoke"]);
    revoke(&mut alone, &TestKey::from_seed(5).unwrap());
    let named = put(&alone);
    assert_refused(&site.install(&add), 3, &["not confirmed"]);
    site.must_install(&[&add[..], &["--fingerprint", &named]].concat());
    let listed = site.must_install(&["trust", "list"]).stdout;
    assert_eq!(listed.matches("version  ").count(), 1, "{listed}");
    let shown = site.must_install(&["trust", "show", &named]).stdout;
    assert!(shown.contains("version      4"), "{shown}");
    assert_refused(
        &site.install(&["trust", "remove", &old]),
        2,
        &["no such trust root"],
    );
    site.must_install(&["trust", "remove", &named]);
    assert_refused(&site.install(&["verify", BUNDLE]), 3, &["no trust root"]);
}
