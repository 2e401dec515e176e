//! `bundle extract`: verified, complete, below a new directory, or nothing at all.

use std::os::unix::fs::PermissionsExt as _;

use manifests::bundle::BundleManifest;
use manifests::digest::Sha256;

use crate::program::{User, text};
use crate::vendor::{Vendor, names};

fn built() -> (Vendor, User) {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    (vendor, user)
}

#[test]
fn the_whole_bundle_is_written_as_its_manifest_lists_it() {
    let (_vendor, user) = built();
    let to = user.path("all");
    let run = user.run(&["extract", text(&user.bundle()), "--to", text(&to)]);
    run.assert_ok();
    let bytes = std::fs::read(to.join("manifest.json")).unwrap();
    let manifest = BundleManifest::parse(&bytes).unwrap();
    for entry in &manifest.entries {
        let path = to.join(entry.path.as_str());
        assert_eq!(Sha256::of(&std::fs::read(&path).unwrap()), entry.sha256);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{}", entry.path);
    }
    let signature = names(&to.join("signatures"));
    assert_eq!((signature.len(), names(&to.join("trust")).len()), (1, 2));
    let again = user.run(&["extract", text(&user.bundle()), "--to", text(&to)]);
    again.assert_refused(2, &["there already"]);
}

#[test]
fn what_is_named_is_written_and_a_wrong_name_writes_nothing() {
    let (_vendor, user) = built();
    let (bundle, to) = (user.bundle(), user.path("some"));
    let extract = |more: &[&str]| {
        let args = ["extract", text(&bundle), "--to", text(&to)];
        user.run(&[&args[..], more].concat())
    };
    for more in [
        &["etc/passwd"][..],
        &["docs", "doc"],
        &["--packages", "el9-x86_64"],
    ] {
        extract(more).assert_refused(2, &["it holds no"]);
        assert!(!to.exists());
    }
    extract(&["docs/", "product.json"]).assert_ok();
    assert_eq!(names(&to), ["docs", "product.json"]);
    let rpms = user.path("rpms");
    let args = ["extract", text(&bundle), "--to", text(&rpms)];
    user.run(&[&args[..], &["--packages", "el8-x86_64"]].concat())
        .assert_ok();
    assert_eq!(names(&rpms), ["packages"]);
    assert_eq!(names(&rpms.join("packages")).len(), 5);
}

#[test]
fn a_damaged_or_strange_bundle_and_a_link_in_the_way_leave_nothing() {
    let (vendor, user) = built();
    let good = std::fs::read(user.bundle()).unwrap();
    let mut bad = good.clone();
    let at = bad.len() - 40;
    bad[at] ^= 1;
    let bad = vendor.write("bad.tar.zst", bad);
    let to = user.path("out/x");
    let run = user.run(&["extract", text(&bad), "--to", text(&to)]);
    run.assert_refused(3, &["do not use this file"]);
    assert!(
        names(&user.path("out"))
            .iter()
            .all(|name| !name.contains("partial"))
    );
    assert!(!to.exists());
    let stranger = User::new();
    let run = stranger.run(&["extract", text(&user.bundle()), "--to", text(&to)]);
    run.assert_refused(3, &["--trust-root"]);
    assert!(!to.exists());
    std::os::unix::fs::symlink(user.path(""), &to).unwrap();
    let run = user.run(&["extract", text(&user.bundle()), "--to", text(&to)]);
    run.assert_refused(2, &["there already"]);
}
