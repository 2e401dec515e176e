//! Builds from a changed lock, or with flags and an environment that contradict the lock.

use manifests::digest::Sha256;
use manifests::json::canonical;
use serde_json::{Value, json};

use crate::program::{Run, User, text};
use crate::vendor::{Key, Vendor};

struct Locked {
    vendor: Vendor,
    user: User,
    lock: Value,
}

impl Locked {
    fn new() -> Self {
        let (vendor, user) = (Vendor::new(), User::new());
        user.build_el8(&vendor).assert_ok();
        let bytes = std::fs::read(user.path("out/bundle.lock.json")).unwrap();
        let lock = serde_json::from_slice(&bytes).unwrap();
        Self { vendor, user, lock }
    }

    fn build(&self, change: impl FnOnce(&mut Value), more: &[&str]) -> Run {
        let mut lock = self.lock.clone();
        change(&mut lock);
        lock["product_sha256"] =
            json!(Sha256::of(&canonical(&lock["product"]).unwrap()).to_string());
        let lock = self.vendor.write("lock.json", canonical(&lock).unwrap());
        let again = self.user.path("again.tar.zst");
        let args = ["build", "--locked", text(&lock), "-o", text(&again)];
        let run = self.user.run(&[&args[..], more].concat());
        let written = crate::vendor::names(&self.user.path(""));
        let written = written.iter().any(|name| name == "again.tar.zst");
        assert!(!written || run.code == Some(0), "{}", run.stderr);
        run
    }
}

#[test]
fn a_lock_with_a_key_that_was_not_accepted_is_refused() {
    let locked = Locked::new();
    let stranger = Key::make("stranger");
    let carry = |lock: &mut Value| {
        lock["package_keys"][0]["fingerprint"] = json!(stranger.fingerprint());
        lock["package_keys"][0]["armored"] = json!(stranger.public());
    };
    let fingerprint = stranger.fingerprint();
    let run = locked.build(carry, &[]);
    run.assert_refused(2, &[&fingerprint, "neither pinned"]);
    // Accepting it for another role, or without a role where there are pins, changes nothing.
    for accepted in [fingerprint.clone(), format!("relay={fingerprint}")] {
        let run = locked.build(
            |lock| {
                carry(lock);
                lock["trusted_vendor_keys"] = json!([accepted]);
            },
            &[],
        );
        run.assert_refused(2, &["neither pinned"]);
    }
    // It is accepted as a package key, but it did not sign the packages.
    let run = locked.build(
        |lock| {
            carry(lock);
            lock["trusted_vendor_keys"] = json!([format!("package:packages={fingerprint}")]);
        },
        &[],
    );
    run.assert_refused(3, &["relay-5.3.10-1"]);
}

#[test]
fn a_lock_whose_product_is_wrong_or_anothers_is_refused() {
    let locked = Locked::new();
    let run = locked.build(|lock| lock["product"]["lead"] = json!("nobody"), &[]);
    run.assert_refused(2, &["nobody"]);
    let run = locked.build(|lock| lock["product"]["name"] = json!("other"), &[]);
    run.assert_refused(2, &["another product"]);
    locked.build(|_| (), &[]).assert_ok();
}

#[test]
fn a_package_that_no_bundle_can_hold_is_refused_before_it_is_fetched() {
    let locked = Locked::new();
    let large = |lock: &mut Value| lock["plan"]["packages"][0]["size"] = json!(u64::MAX);
    locked.build(large, &[]).assert_refused(2, &["larger than"]);
}

#[test]
fn flags_beside_a_lock_are_refused_and_the_environment_is_not() {
    let locked = Locked::new();
    let fingerprint = Key::make("any").fingerprint();
    for more in [
        ["--version", "5.3"],
        ["--distro", "el8"],
        ["--arch", "x86_64"],
        ["--from", "any"],
        ["--product", "product.toml"],
        ["--repo-url", "https://host/x"],
        ["--package-key", "x.asc"],
        ["--trust-vendor-key", &fingerprint],
        ["--accept-unsigned-package", "relay"],
        ["--sequence", "7"],
        ["--lock", "other.json"],
    ] {
        locked
            .build(|_| (), &more)
            .assert_refused(2, &[more[0], "--locked"]);
    }
    let run = locked.build(|_| (), &["--plan"]);
    run.assert_refused(2, &["--plan"]);
    let lock = locked.user.path("out/bundle.lock.json");
    let again = locked.user.path("again.tar.zst");
    let run = locked.user.run_with(
        &[
            ("BUNDLE_VERSION", "5.2"),
            ("BUNDLE_DISTRO", "el9"),
            ("BUNDLE_FROM", "any"),
            ("BUNDLE_SEQUENCE", "7"),
            ("BUNDLE_LOCK", "other.json"),
            ("SOURCE_DATE_EPOCH", "none"),
        ],
        &["build", "--locked", text(&lock), "-o", text(&again)],
    );
    run.assert_ok();
    let first = std::fs::read(locked.user.bundle()).unwrap();
    assert!(first == std::fs::read(again).unwrap());
}

#[test]
fn a_damaged_earlier_lock_asks_for_a_sequence_before_anything_is_fetched() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let path = user.path("out/bundle.lock.json");
    let sequence = || {
        let lock: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        lock["sequence"].as_u64().unwrap()
    };
    let first = sequence();
    user.build_el8(&vendor).assert_ok();
    assert_eq!(sequence(), first + 1);
    let cut = std::fs::read(&path).unwrap();
    let cut = vendor.write("cut.json", &cut[..cut.len() / 2]);
    std::fs::copy(&cut, &path).unwrap();
    let run = user.build_el8(&vendor);
    run.assert_refused(2, &["--sequence", "bundle.lock.json"]);
    let request = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--sequence",
        "9000000000",
    ];
    user.build(&vendor, &request).assert_ok();
    assert_eq!(sequence(), 9_000_000_000);
}
