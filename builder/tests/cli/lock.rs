//! `bundle lock`, and packages whose bytes change under their name.

use manifests::digest::Sha256;
use serde_json::Value;

use crate::program::{Run, User, text};
use crate::vendor::{Vendor, names};

const PUSHED: &str = "relay-5.3.10-1.x86_64";

fn lock(user: &User, vendor: &Vendor, more: &[&str]) -> Run {
    let (product, out) = (vendor.product(), user.path("out/bundle.lock.json"));
    let mut args = vec!["lock", "--product", text(&product), "-o", text(&out)];
    args.extend(["--version", "5.3", "--distro", "el8"]);
    args.extend(["--without-installer", "x86_64"]);
    args.extend(more);
    user.run(&args)
}

fn locked(user: &User, out: &str, more: &[&str]) -> Run {
    let (lock, out) = (user.path("out/bundle.lock.json"), user.path(out));
    let args = ["build", "--locked", text(&lock), "-o", text(&out)];
    user.run(&[&args[..], more].concat())
}

fn digests(vendor: &Vendor) -> String {
    let path = vendor.path(&format!("relay/el/8/x86_64/{PUSHED}.rpm"));
    Sha256::of(&std::fs::read(path).unwrap()).to_string()
}

#[test]
fn a_lock_alone_is_written_and_gives_the_bytes_of_a_build() {
    let (vendor, user) = (Vendor::new(), User::new());
    lock(&user, &vendor, &[]).assert_ok();
    assert_eq!(names(&user.path("out")), ["bundle.lock.json"]);
    assert!(!user.path("config").exists(), "locking needs no key");
    locked(&user, "locked.tar.zst", &[]).assert_ok();
    let bytes = std::fs::read(user.path("out/bundle.lock.json")).unwrap();
    let sequence = serde_json::from_slice::<Value>(&bytes).unwrap()["sequence"].to_string();
    let request = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--sequence",
        &sequence,
    ];
    user.build(&vendor, &request).assert_ok();
    let built = std::fs::read(user.bundle()).unwrap();
    assert!(built == std::fs::read(user.path("locked.tar.zst")).unwrap());
    for flag in [&["--plan"][..], &["--locked", "x.json"]] {
        lock(&user, &vendor, flag).assert_refused(2, &[flag[0]]);
    }
}

#[test]
fn a_package_that_was_pushed_again_is_an_alarm_with_both_digests() {
    let (vendor, user) = (Vendor::new(), User::new());
    lock(&user, &vendor, &[]).assert_ok();
    let before = digests(&vendor);
    let lock_bytes = std::fs::read(user.path("out/bundle.lock.json")).unwrap();
    vendor.push_again("relay", 8);
    let after = digests(&vendor);
    assert_ne!(before, after);
    let words = [PUSHED, before.as_str(), after.as_str()];
    // The vendor serves other bytes than the lock records. The cache holds them too after a
    // download.
    let empty = user.path("empty");
    let from_network = locked(&user, "a.tar.zst", &["--cache-dir", text(&empty)]);
    from_network.assert_refused(3, &words);
    let cache = user.path("filled");
    user.build(
        &vendor,
        &[
            "--version",
            "5.3",
            "--distro",
            "el8",
            "--cache-dir",
            text(&cache),
            "--lock",
            text(&user.path("other.lock.json")),
        ],
    )
    .assert_ok();
    locked(&user, "a.tar.zst", &["--cache-dir", text(&cache)]).assert_refused(3, &words);
    assert!(!user.path("a.tar.zst").exists());
    // A cache that holds what was locked builds it, whatever the vendor has now.
    locked(&user, "a.tar.zst", &[]).assert_ok();
    // Locking anew is an alarm too, until the new bytes are accepted by name.
    lock(&user, &vendor, &[]).assert_refused(3, &words);
    assert!(lock_bytes == std::fs::read(user.path("out/bundle.lock.json")).unwrap());
    lock(
        &user,
        &vendor,
        &["--accept-replaced", "relay-5.3.9-1.x86_64"],
    )
    .assert_refused(3, &words);
    let accepted: Vec<String> = vendor
        .names_of("relay", 8)
        .into_iter()
        .flat_map(|nevra| ["--accept-replaced".to_owned(), nevra])
        .collect();
    let accepted: Vec<&str> = accepted.iter().map(String::as_str).collect();
    let run = lock(&user, &vendor, &accepted);
    assert!(run.assert_ok().stdout.contains(&before), "{}", run.stdout);
}
