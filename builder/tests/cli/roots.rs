//! The chain of root documents between machines.

#![expect(clippy::disallowed_methods, reason = "a test takes a chain away")]

use manifests::digest::Sha256;

use crate::people::{TRUST, carry, init, make_key};
use crate::program::{User, text};
use crate::vendor::{Vendor, names};

/// Drafts a root version in which the first key signs no roots, and two of three others must.
fn rotate_to_two_of_three(builder: &User) {
    let own = builder.run(&["key", "export", "public", "-o", "own.pub.pem"]);
    own.assert_ok();
    let own = crate::people::id_of(&builder.path("own.pub.pem"));
    let remove = format!("{own}=root");
    let rotate = [
        "root",
        "rotate",
        "--remove",
        &remove,
        "--root-threshold",
        "2",
    ];
    let drafted = builder.run(&rotate);
    let said = &drafted.assert_ok().stdout;
    for words in [
        "is a root key no more",
        "2 of 3 root keys, 1 of 1 before",
        "1 of 1 root keys of version 1",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[expect(clippy::too_many_lines, reason = "one story, in its order")]
#[test]
fn one_key_becomes_two_of_three_by_files_between_machines() {
    let (vendor, builder) = (Vendor::new(), User::new());
    builder.build_el8(&vendor).assert_ok();
    let enrolled = builder.path("enrolled.json");
    std::fs::copy(builder.path("out/root.json"), &enrolled).unwrap();
    let people = [User::new(), User::new(), User::new()];
    for (n, person) in people.iter().enumerate() {
        make_key(person, "own");
        let public = builder.path(&format!("{n}.pub.pem"));
        std::fs::copy(person.path("own.pub.pem"), &public).unwrap();
        let add = builder.run(&["root", "add-key", text(&public), "--role", "root"]);
        assert!(
            add.assert_ok().stdout.contains("version   2"),
            "{}",
            add.stdout
        );
    }
    rotate_to_two_of_three(&builder);
    builder.run(&["root", "sign", "--yes"]).assert_ok();
    // Only the old quorum signed it: the build does not use it, and reports that.
    let early = builder.build_el8(&vendor);
    assert!(
        early
            .assert_ok()
            .stderr
            .contains("root version 2 is not complete"),
        "{}",
        early.stderr
    );
    for person in &people[1..] {
        carry(&builder.path(TRUST), &person.path("stick"));
        let refused = person.run(&["root", "sign", "stick", "--key", "own.pem"]);
        refused.assert_refused(2, &["--yes"]);
        let signed = person.run(&["root", "sign", "stick", "--key", "own.pem", "--yes"]);
        assert!(signed.assert_ok().stdout.contains("bundles") || !signed.stdout.is_empty());
        carry(&person.path("stick"), &builder.path(TRUST));
    }
    let shown = builder.run(&["root", "show"]);
    assert!(
        !shown.assert_ok().stdout.contains("NOT COMPLETE"),
        "{}",
        shown.stdout
    );
    builder.build_el8(&vendor).assert_ok();
    // A host that enrolled version 1 follows.
    let bundle = builder.bundle();
    let verify = [
        "verify",
        "--trust-root",
        text(&enrolled),
        text(&bundle),
        "--output",
        "json",
    ];
    let verified = builder.run(&verify);
    let newest = std::fs::read(builder.path(TRUST).join("root.2.json")).unwrap();
    let fingerprint = Sha256::of(&newest).to_string();
    assert!(
        verified.assert_ok().stdout.contains(&fingerprint),
        "{}",
        verified.stdout
    );
    assert_eq!(
        std::fs::read(builder.path("out/root.json")).unwrap(),
        newest
    );
    builder
        .run(&["root", "export", "-o", "to-host"])
        .assert_ok();
    assert_eq!(names(&builder.path("to-host")), names(&builder.path(TRUST)));
}

#[test]
fn a_key_of_neither_version_does_not_sign_and_a_changed_draft_loses_its_signatures() {
    let user = User::new();
    for name in ["a", "b", "c", "stranger"] {
        make_key(&user, name);
    }
    init(&user, ("2", &["a", "b"]), ("1", &["c"]));
    let again = [
        "root",
        "init",
        "--title",
        "x",
        "--root-key",
        "a.pub.pem",
        "--root-threshold",
        "1",
        "--release-key",
        "a.pub.pem",
        "--release-threshold",
        "1",
        "--product",
        "*",
    ];
    user.run(&again).assert_refused(2, &["already"]);
    user.run(&["root", "sign", "--key", "a.pem", "--yes"])
        .assert_refused(2, &["waits for signatures"]);
    user.run(&["root", "add-key", "stranger.pub.pem", "--role", "release"])
        .assert_ok();
    user.run(&["root", "sign", "--key", "c.pem", "--yes"])
        .assert_refused(2, &["neither of version 2 nor of the version before"]);
    user.run(&["root", "sign", "--key", "a.pem", "--yes"])
        .assert_ok();
    let changed = user.run(&["root", "rotate", "--release-threshold", "2"]);
    assert!(
        changed.assert_ok().stdout.contains("dropped   root.2."),
        "{}",
        changed.stdout
    );
    let shown = user.run(&["root", "show", "--output", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.assert_ok().stdout).unwrap();
    assert_eq!(shown["versions"][1]["complete"], false);
    assert_eq!(
        shown["versions"][1]["signatures"][0]["signed"],
        serde_json::json!([])
    );
    assert_eq!(shown["versions"][1]["release_threshold"], 2);
}

#[test]
fn a_revoked_builder_builds_nothing_more_and_what_it_signed_is_refused() {
    let (vendor, user) = (Vendor::new(), User::new());
    for name in ["a", "b", "new"] {
        make_key(&user, name);
    }
    user.run(&["key", "create"]).assert_ok();
    std::fs::remove_dir_all(user.path(TRUST)).unwrap();
    user.run(&["key", "export", "public", "-o", "own.pub.pem"])
        .assert_ok();
    let own = crate::people::id_of(&user.path("own.pub.pem"));
    std::fs::copy(
        user.path("config/airgap-bundle/signing-key.pem"),
        user.path("own.pem"),
    )
    .unwrap();
    init(&user, ("1", &["a", "b"]), ("1", &["own"]));
    user.build_el8(&vendor).assert_ok();
    let old = user.path("old.tar.zst");
    std::fs::copy(user.bundle(), &old).unwrap();
    let revoke = ["root", "revoke", &own, "--reason", "stolen on Monday"];
    user.run(&revoke)
        .assert_refused(2, &["--release-threshold"]);
    let replace = format!("{own}=new.pub.pem");
    let drafted = user.run(&[&revoke[..], &["--replace", &replace]].concat());
    assert!(
        drafted.assert_ok().stdout.contains("REVOKED"),
        "{}",
        drafted.stdout
    );
    user.run(&["root", "sign", "--key", "b.pem", "--yes"])
        .assert_ok();
    user.build_el8(&vendor)
        .assert_refused(2, &["revokes it: stolen on Monday", "--key"]);
    user.run(&["verify", text(&old)])
        .assert_refused(3, &["stolen on Monday"]);
    user.run(&["root", "add-key", "own.pub.pem", "--role", "release"])
        .assert_refused(2, &["stolen on Monday"]);
    let request = ["--version", "5.3", "--distro", "el8", "--key", "new.pem"];
    user.build(&vendor, &request).assert_ok();
    user.run(&["verify", text(&user.bundle())]).assert_ok();
}
