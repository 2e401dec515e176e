//! `--offline`: from the cache alone, or not at all.

#![expect(clippy::disallowed_methods, reason = "a test damages a cache")]

use crate::program::{User, text};
use crate::server::{Manner, Server};
use crate::vendor::{Vendor, names};

const TARGET: &str = "relay-5.3.10-1.x86_64.rpm";

/// The product's package key is in a file; the rest comes over HTTP.
fn vendor_over_http() -> (Vendor, User, Server) {
    let vendor = Vendor::new();
    let server = Server::start(&vendor.path(""), Manner::Plain);
    (vendor, User::new(), server)
}

#[test]
fn an_earlier_build_is_all_that_another_needs() {
    let (vendor, user, server) = vendor_over_http();
    user.build_from(&vendor, &server.url, &[]).assert_ok();
    let first = std::fs::read(user.bundle()).unwrap();
    let asked = server.asked_for("");
    let cache = user.path("elsewhere");
    std::fs::rename(user.path("cache/airgap-bundle/rpms"), &cache).unwrap();
    // Another request of the same repositories is served too, if its packages are there.
    for file in names(&user.path("out")) {
        std::fs::remove_file(user.path("out").join(file)).unwrap();
    }
    user.build_from(
        &vendor,
        &server.url,
        &["--offline", "--cache", text(&cache)],
    )
    .assert_ok();
    assert_eq!(std::fs::read(user.bundle()).unwrap(), first);
    assert_eq!(server.asked_for(""), asked);
}

#[test]
fn what_is_missing_is_named() {
    let (vendor, user, server) = vendor_over_http();
    let offline = |words: &[&str]| {
        user.build_from(&vendor, &server.url, &["--offline"])
            .assert_refused(1, words);
    };
    offline(&["relay/gpgkey", "--offline", "--cache-dir"]);
    user.build_from(&vendor, &server.url, &[]).assert_ok();
    let rpms = user.path("cache/airgap-bundle/rpms");
    let is_rpm = |name: &&String| name.strip_suffix(".rpm").is_some();
    for name in names(&rpms).iter().filter(is_rpm) {
        std::fs::remove_file(rpms.join(name)).unwrap();
    }
    offline(&["5 of 5", TARGET, "not in the cache"]);
    // Manipulated metadata in the cache are refused.
    let metadata = rpms.join("metadata");
    for name in names(&metadata) {
        let path = metadata.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 20;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let run = user.build_from(&vendor, &server.url, &["--offline"]);
    assert!(matches!(run.code, Some(1 | 3)), "{}", run.stderr);
}

#[test]
fn a_directory_serves_as_well_as_an_address() {
    let (vendor, user) = (Vendor::new(), User::new());
    let request = ["--version", "5.3", "--distro", "el8", "--repo-url"];
    let root = vendor.path("");
    user.build(&vendor, &[&request[..], &[text(&root)]].concat())
        .assert_ok();
    let here = std::fs::read(user.bundle()).unwrap();
    std::os::unix::fs::symlink(&root, user.path("mirror")).unwrap();
    let relative = User::new();
    std::os::unix::fs::symlink(&root, relative.path("mirror")).unwrap();
    relative
        .build(&vendor, &[&request[..], &["./mirror"]].concat())
        .assert_ok();
    assert!(!here.is_empty() && relative.bundle().exists());
}
