//! Builds that work.

use crate::program::{User, text};
use crate::vendor::{BUILT, REVISION, Vendor, names};

#[test]
fn a_build_makes_a_bundle_that_verifies_and_lists_its_content() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok().assert_as_before();
    let written = names(&user.path("out"));
    for name in ["bundle.tar.zst", "root.json"] {
        assert!(written.iter().any(|w| w == name), "{name}: {written:?}");
    }
    assert!(
        written.iter().all(|name| !name.starts_with('.')),
        "{written:?}"
    );
    let bundle = user.bundle();
    user.run(&["verify", text(&bundle)])
        .assert_ok()
        .assert_as_before();
    user.run(&["inspect", text(&bundle)])
        .assert_ok()
        .assert_as_before();
    let root = user.path("out/root.json");
    user.run(&["verify", "--trust-root", text(&root), text(&bundle)])
        .assert_ok();
    let inspected = user.run(&["--output", "json", "inspect", text(&bundle)]);
    let said = &inspected.assert_ok().assert_as_before().stdout;
    // The newest by rpm's order, the newest earlier patch, and the newest of the line before; the
    // pin decides for the agent.
    for nevra in [
        "relay-5.3.10-1",
        "relay-5.3.9-1",
        "relay-5.2.7-1",
        "agent-1.9.0-1",
        "agent-1.8.0-1",
    ] {
        assert!(said.contains(nevra), "{nevra}: {said}");
    }
    for nevra in ["relay-5.1.0", "relay-5.2.0", "agent-1.10.0"] {
        assert!(!said.contains(nevra), "{nevra}: {said}");
    }
    assert!(said.contains(&BUILT.to_string()), "{said}");
    assert!(said.contains(&REVISION.to_string()), "{said}");
}

#[test]
fn one_lock_gives_the_same_bytes_in_another_directory_zone_and_umask() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let lock = names(&user.path("out"))
        .into_iter()
        .find(|name| name.contains("lock"))
        .unwrap();
    let lock = user.path("out").join(lock);
    let again = user.path("again.tar.zst");
    let args = ["build", "--locked", text(&lock), "-o", text(&again)];
    user.run_as("077", "Asia/Tokyo", &args).assert_ok();
    let (first, second) = (std::fs::read(user.bundle()), std::fs::read(again));
    assert!(first.unwrap() == second.unwrap(), "the bundles differ");
}

#[test]
fn a_locked_build_refuses_a_package_that_was_pushed_again() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let lock = names(&user.path("out"))
        .into_iter()
        .find(|name| name.contains("lock"));
    let lock = user.path("out").join(lock.unwrap());
    vendor.flip("relay/el/8/x86_64/relay-5.3.10-1.x86_64.rpm", 5);
    let (again, cache) = (user.path("again.tar.zst"), user.path("empty-cache"));
    let run = user.run(&[
        "build",
        "--locked",
        text(&lock),
        "-o",
        text(&again),
        "--cache-dir",
        text(&cache),
    ]);
    run.assert_refused(3, &["relay-5.3.10-1"]);
    assert!(!again.exists());
}

#[test]
fn from_adds_what_the_hosts_run() {
    let (vendor, user) = (Vendor::new(), User::new());
    let plan = |from: &[&str]| {
        let mut more = vec!["--version", "5.3", "--distro", "rocky8", "--plan"];
        more.extend(from.iter().flat_map(|text| ["--from", text]));
        let run = user.build(&vendor, &more);
        run.assert_ok().assert_as_before().stdout.clone()
    };
    assert!(plan(&["5.1"]).contains("relay-5.1.0-1"));
    assert!(plan(&["relay=5.2.0"]).contains("relay-5.2.0-1"));
    let any = plan(&["any"]);
    for nevra in ["relay-5.3.9-1", "relay-5.2.7-1", "relay-5.1.0-1"] {
        assert!(any.contains(nevra), "{nevra}: {any}");
    }
    assert!(!any.contains("relay-5.2.0-1"), "{any}");
    user.assert_nothing_written();
}

#[test]
fn versions_lists_what_is_published() {
    let (vendor, user) = (Vendor::new(), User::new());
    let product = vendor.product();
    let run = user.run(&["versions", "--product", text(&product), "--distro", "el8"]);
    let said = &run.assert_ok().assert_as_before().stdout;
    assert!(said.contains("5.3.10") && said.contains("1.10.0"), "{said}");
}
