//! Every bad input of a build: the exit code, three parts, and nothing written.

use crate::program::{User, text};
use crate::vendor::{Key, Vendor};

const REPODATA: &str = "relay/el/8/x86_64/repodata";
const TARGET: &str = "relay/el/8/x86_64/relay-5.3.10-1.x86_64.rpm";

#[track_caller]
fn refused(spoil: impl FnOnce(&Vendor), code: i32, words: &[&str]) {
    let (vendor, user) = (Vendor::new(), User::new());
    spoil(&vendor);
    user.build_el8(&vendor).assert_refused(code, words);
    user.assert_nothing_written();
}

#[track_caller]
fn asked(more: &[&str], code: i32, words: &[&str]) {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build(&vendor, more).assert_refused(code, words);
    user.assert_nothing_written();
}

#[test]
fn an_unknown_version_names_what_exists() {
    asked(&["--version", "7.7", "--distro", "el8"], 2, &["7.7", "5.3"]);
}

#[test]
fn an_unknown_distribution_names_what_exists() {
    asked(
        &["--version", "5.3", "--distro", "el6"],
        2,
        &["el6", "el8", "el9"],
    );
}

#[test]
fn a_version_published_elsewhere_names_the_component_and_the_place() {
    asked(
        &["--version", "5.3", "--distro", "el9"],
        2,
        &["relay", "5.3", "el8"],
    );
}

#[test]
fn a_changed_repomd_is_refused() {
    refused(
        |v| v.flip(&format!("{REPODATA}/repomd.xml"), 20),
        3,
        &["signature"],
    );
}

#[test]
fn a_missing_metadata_signature_is_refused() {
    refused(
        |v| v.remove(&format!("{REPODATA}/repomd.xml.asc")),
        3,
        &["repomd.xml.asc"],
    );
}

#[test]
fn a_changed_package_list_is_refused() {
    refused(
        |v| v.flip(&format!("{REPODATA}/primary.xml.gz"), 9),
        3,
        &["checksum"],
    );
}

#[test]
fn a_flipped_byte_in_a_package_is_refused() {
    refused(|v| v.flip(TARGET, 3), 3, &["relay-5.3.10-1"]);
}

#[test]
fn a_missing_package_is_an_error_of_the_surroundings() {
    refused(|v| v.remove(TARGET), 1, &["relay-5.3.10-1"]);
}

#[test]
fn an_unpinned_metadata_key_shows_its_fingerprint_and_can_be_accepted() {
    let (vendor, user) = (Vendor::new(), User::new());
    vendor.write_product(&[]);
    let fingerprint = vendor.metadata_fingerprint();
    let run = user.build_el8(&vendor);
    run.assert_refused(3, &[&fingerprint, "--trust-vendor-key"]);
    user.assert_nothing_written();
    let accepted = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--trust-vendor-key",
        &fingerprint,
    ];
    user.build(&vendor, &accepted).assert_ok();
}

#[test]
fn a_wrong_package_key_is_refused() {
    let (vendor, user) = (Vendor::new(), User::new());
    let stranger = Key::make("stranger");
    let file = vendor.write("stranger.asc", stranger.public());
    let request = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--package-key",
        text(&file),
    ];
    let run = user.build(&vendor, &request);
    run.assert_refused(3, &[&stranger.fingerprint()]);
    // Another key is pinned for packages. The fingerprint alone does not state that it replaces
    // that key.
    let fingerprint = stranger.fingerprint();
    let named = format!("package:packages={fingerprint}");
    let bare = [&request[..], &["--trust-vendor-key", &fingerprint]].concat();
    let flag = format!("--trust-vendor-key {named}");
    user.build(&vendor, &bare).assert_refused(3, &[&flag]);
    // Even an accepted key must be the one that signed.
    let accepted = [&request[..], &["--trust-vendor-key", &named]].concat();
    user.build(&vendor, &accepted)
        .assert_refused(3, &["relay-5.3.10-1"]);
    user.assert_nothing_written();
}

#[test]
fn a_server_that_is_down_is_an_error_of_the_surroundings() {
    let (vendor, user) = (Vendor::new(), User::new());
    // Bound and dropped: the port is free, and no server answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let request = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--repo-url",
        &address,
    ];
    user.build(&vendor, &request).assert_refused(1, &[&address]);
    user.assert_nothing_written();
}

#[test]
fn a_changed_bundle_and_an_unknown_root_are_refused() {
    let (vendor, user, other) = (Vendor::new(), User::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    other.build_el8(&vendor).assert_ok();
    let (bundle, root) = (user.bundle(), other.path("out/root.json"));
    let run = user.run(&["verify", "--trust-root", text(&root), text(&bundle)]);
    run.assert_refused(3, &["none of which is trusted"]);
    let mut bytes = std::fs::read(&bundle).unwrap();
    // zstd can write the same bytes in more than one way, so a flip may leave the content
    // unchanged. Such a flip does not count.
    let archive = zstd::decode_all(bytes.as_slice()).unwrap();
    let mut at = bytes.len() - 1000;
    bytes[at] ^= 1;
    while zstd::decode_all(bytes.as_slice()).is_ok_and(|same| same == archive) {
        bytes[at] ^= 1;
        at -= 1;
        bytes[at] ^= 1;
    }
    let changed = vendor.write("changed.tar.zst", &bytes);
    user.run(&["verify", text(&changed)]).assert_refused(3, &[]);
    let cut = vendor.write("cut.tar.zst", &bytes[..at]);
    user.run(&["verify", text(&cut)]).assert_refused(3, &[]);
}

#[test]
fn an_accepted_package_key_does_not_speak_for_metadata() {
    let (vendor, user) = (Vendor::new(), User::new());
    let stranger = Key::make("stranger");
    vendor.write_product(&[stranger.fingerprint()]);
    let fingerprint = vendor.metadata_fingerprint();
    let build = |accepted: &str| {
        let request = ["--version", "5.3", "--distro", "el8"];
        let more = ["--trust-vendor-key", accepted];
        user.build(&vendor, &[&request[..], &more].concat())
    };
    let (relay, agent) = (
        format!("relay={fingerprint}"),
        format!("agent={fingerprint}"),
    );
    let wrong = format!("package:packages={fingerprint}");
    for accepted in [&fingerprint, &relay, &wrong] {
        build(accepted).assert_refused(3, &[&format!("--trust-vendor-key {agent}")]);
    }
    build(&format!("nobody={fingerprint}")).assert_refused(2, &["package:packages"]);
    user.assert_nothing_written();
    let run = build(&format!("{relay},{agent}"));
    assert!(run.assert_ok().stdout.contains(&agent), "{}", run.stdout);
    let lock = std::fs::read_to_string(user.path("out/bundle.lock.json")).unwrap();
    assert!(lock.contains(&agent) && lock.contains(&relay));
}
