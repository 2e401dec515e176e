//! `bundle sign`: more signatures for a bundle that is there.

#![expect(
    clippy::disallowed_methods,
    reason = "a test makes a directory and damages a part"
)]

use crate::people::{TRUST, id_of, init, make_key, openssl_accepts};
use crate::program::{User, text};
use crate::vendor::{Vendor, names};

const REQUEST: [&str; 4] = ["--version", "5.3", "--distro", "el8"];

/// A builder whose bundles need two of three release keys.
fn two_of_three() -> (Vendor, User) {
    let (vendor, user) = (Vendor::new(), User::new());
    for name in ["root", "a", "b", "c", "stranger"] {
        make_key(&user, name);
    }
    init(&user, ("1", &["root"]), ("2", &["a", "b", "c"]));
    (vendor, user)
}

fn bytes(user: &User, name: &str) -> Vec<u8> {
    std::fs::read(user.path(name)).unwrap()
}

#[expect(clippy::too_many_lines, reason = "one story, in its order")]
#[test]
fn signatures_in_any_order_give_the_file_that_one_build_with_all_keys_gives() {
    let (vendor, user) = two_of_three();
    let both = [&REQUEST[..], &["--key", "a.pem", "--key", "b.pem"]].concat();
    user.build(&vendor, &both).assert_ok();
    let (bundle, lock) = (user.bundle(), user.path("out/bundle.lock.json"));
    user.run(&["verify", text(&bundle)]).assert_ok();
    let whole = std::fs::read(&bundle).unwrap();
    let locked = ["build", "--locked", text(&lock)];
    let one = user.run(&[&locked[..], &["--key", "b.pem", "-o", "one.tar.zst"]].concat());
    assert!(
        one.assert_ok().stdout.contains("1 of 2 signatures"),
        "{}",
        one.stdout
    );
    user.run(&["verify", "one.tar.zst"])
        .assert_refused(3, &["keys are 1", "needs 2"]);
    let signed = user.run(&["sign", "one.tar.zst", "--key", "a.pem", "--yes"]);
    for words in ["5.3", "digest", "by 1 of 2", "by 2 of 2"] {
        assert!(
            signed.assert_ok().stdout.contains(words),
            "{words}: {}",
            signed.stdout
        );
    }
    assert!(
        bytes(&user, "one.tar.zst") == whole,
        "the signed bundle differs"
    );
    let none = user.run(&[&locked[..], &["--unsigned", "-o", "none.tar.zst"]].concat());
    assert!(
        none.assert_ok().stdout.contains("0 of 2 signatures"),
        "{}",
        none.stdout
    );
    user.run(&["verify", "none.tar.zst"])
        .assert_refused(3, &["no signature"]);
    for key in ["b.pem", "a.pem"] {
        user.run(&["sign", "none.tar.zst", "--key", key, "--yes"])
            .assert_ok();
    }
    assert!(
        bytes(&user, "none.tar.zst") == whole,
        "the order of signatures shows"
    );
    let again = [
        "sign",
        "none.tar.zst",
        "--key",
        "a.pem",
        "--yes",
        "-o",
        "again.tar.zst",
    ];
    user.run(&again).assert_ok();
    assert!(
        bytes(&user, "again.tar.zst") == whole,
        "signing twice shows"
    );
    // Stock tools agree with every signature.
    user.run(&["extract", "none.tar.zst", "--to", "x"])
        .assert_ok();
    for key in ["a", "b"] {
        let public = user.path(&format!("{key}.pub.pem"));
        let signature = user.path(&format!("x/signatures/{}.sig", id_of(&public)));
        openssl_accepts(&public, &signature, &user.path("x/manifest.json"));
    }
}

#[test]
fn what_may_not_be_signed_is_not_signed() {
    let (vendor, user) = two_of_three();
    let unsigned = [&REQUEST[..], &["--unsigned"]].concat();
    user.build(&vendor, &unsigned).assert_ok();
    let bundle = user.bundle();
    let before = std::fs::read(&bundle).unwrap();
    let sign = |key: &str, more: &[&str]| {
        user.run(&[&["sign", text(&bundle), "--key", key][..], more].concat())
    };
    sign("a.pem", &[]).assert_refused(2, &["--yes"]);
    sign("stranger.pem", &["--yes"]).assert_refused(2, &["not a release key of root version 1"]);
    sign("root.pem", &["--yes"]).assert_refused(2, &["not a release key"]);
    assert!(
        std::fs::read(&bundle).unwrap() == before,
        "a refused key left something"
    );
    let split = [&REQUEST[..], &["--key", "a.pem", "--split", "1K"]].concat();
    user.build(&vendor, &split)
        .assert_refused(2, &["bundle sign"]);
    // A machine without roots uses the bundle's own root, and reports that.
    let alone = User::new();
    std::fs::copy(user.path("a.pem"), alone.path("a.pem")).unwrap();
    let key = alone.path("a.pem");
    let said = alone.run(&[
        "sign",
        text(&bundle),
        "--key",
        text(&key),
        "--yes",
        "-o",
        "here.tar.zst",
    ]);
    assert!(
        said.assert_ok().stdout.contains("nothing is trusted here"),
        "{}",
        said.stdout
    );
    // The archive is packed again with one changed byte in a package: only a digest shows that.
    let mut archive = zstd::decode_all(before.as_slice()).unwrap();
    let at = archive.len() - 4096;
    let at = at
        - archive[..at]
            .iter()
            .rev()
            .position(|byte| *byte != 0)
            .unwrap()
        - 1;
    archive[at] ^= 1;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.include_contentsize(false).unwrap();
    std::io::Write::write_all(&mut encoder, &archive).unwrap();
    let changed = vendor.write("changed.tar.zst", encoder.finish().unwrap());
    let run = user.run(&["sign", text(&changed), "--key", "a.pem", "--yes"]);
    run.assert_refused(3, &["SHA-256"]);
}

#[test]
fn the_list_of_parts_gets_its_signatures_one_by_one() {
    let (vendor, user) = two_of_three();
    let both = [&REQUEST[..], &["--key", "a.pem", "--key", "c.pem"]].concat();
    user.build(&vendor, &both).assert_ok();
    let bundle = user.bundle();
    let list = user.path("parts/bundle.tar.zst.parts.json");
    std::fs::create_dir(user.path("parts")).unwrap();
    let out = user.path("parts/bundle.tar.zst");
    let split = [
        "split",
        text(&bundle),
        "--size",
        "1K",
        "-o",
        text(&out),
        "--key",
        "a.pem",
    ];
    let run = user.run(&split);
    assert!(
        run.assert_ok().stdout.contains("1 of 2 signatures"),
        "{}",
        run.stdout
    );
    user.run(&["verify", text(&list)])
        .assert_refused(3, &["needs 2"]);
    user.run(&["sign", text(&list), "--key", "stranger.pem", "--yes"])
        .assert_refused(2, &["release key"]);
    user.run(&["sign", text(&list), "--key", "b.pem", "--yes"])
        .assert_ok();
    user.run(&["verify", text(&list)]).assert_ok();
    let signatures = names(&user.path("parts"));
    let signatures = signatures
        .iter()
        .filter(|name| name.contains(".parts.") && !name.contains("json"))
        .count();
    assert_eq!(signatures, 2);
    std::fs::write(user.path("parts/bundle.tar.zst.part002"), b"bad").unwrap();
    user.run(&["sign", text(&list), "--key", "c.pem", "--yes"])
        .assert_refused(3, &["part002"]);
}

#[test]
fn a_signature_of_a_key_that_retired_goes() {
    let (vendor, user) = two_of_three();
    let both = [&REQUEST[..], &["--key", "a.pem", "--key", "b.pem"]].concat();
    user.build(&vendor, &both).assert_ok();
    let retired = id_of(&user.path("b.pub.pem"));
    user.run(&["root", "rotate", "--remove", &retired])
        .assert_ok();
    user.run(&["root", "sign", "--key", "root.pem", "--yes"])
        .assert_ok();
    assert!(
        names(&user.path(TRUST))
            .iter()
            .any(|name| name == "root.2.json")
    );
    let bundle = user.bundle();
    user.run(&["verify", text(&bundle)]).assert_refused(3, &[]);
    let run = user.run(&[
        "sign",
        text(&bundle),
        "--key",
        "c.pem",
        "--yes",
        "--output",
        "json",
    ]);
    let signed: serde_json::Value = serde_json::from_str(&run.assert_ok().stdout).unwrap();
    assert_eq!(signed["dropped"], serde_json::json!([retired]));
    assert_eq!(signed["complete"], true);
    user.run(&["verify", text(&bundle)]).assert_ok();
}
