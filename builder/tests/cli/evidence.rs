//! The documents of a real build: SBOMs, provenance, sums and the review page.

use std::collections::BTreeMap;

use manifests::digest::Sha256;
use serde_json::Value;

use crate::forge::entries;
use crate::program::{User, text};
use crate::vendor::Vendor;

const DOCUMENTS: [&str; 4] = [
    "docs/provenance.intoto.json",
    "docs/review.html",
    "docs/sbom.cdx.json",
    "docs/sbom.spdx.json",
];

fn unpacked(bundle: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let packed = std::fs::read(bundle).unwrap();
    let unpacked = zstd::decode_all(packed.as_slice()).unwrap();
    entries(&unpacked).into_iter().collect()
}

fn read(entries: &BTreeMap<String, Vec<u8>>, path: &str) -> String {
    String::from_utf8(entries[path].clone()).unwrap()
}

#[test]
fn every_bundle_carries_its_evidence_and_the_page_lies_beside_it() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let entries = unpacked(&user.bundle());
    for path in DOCUMENTS {
        assert!(entries.contains_key(path), "{path}");
    }
    let page = std::fs::read(user.path("out/bundle.review.html")).unwrap();
    assert!(page == entries["docs/review.html"]);
    let statement = read(&entries, "docs/provenance.intoto.json");
    let statement: Value = serde_json::from_str(&statement).unwrap();
    let subjects = statement["subject"].as_array().unwrap();
    for (path, bytes) in entries
        .iter()
        .filter(|(path, _)| path.starts_with("packages/"))
    {
        let digest = Sha256::of(bytes).to_string();
        let named = |s: &&Value| s["name"] == *path && s["digest"]["sha256"] == *digest;
        assert!(subjects.iter().any(|s| named(&s)), "{path}: {subjects:?}");
        let sums = read(&entries, "SHA256SUMS");
        assert!(sums.contains(&format!("{digest}  {path}\n")), "{sums}");
    }
    let lock = std::fs::read(user.path("out/bundle.lock.json")).unwrap();
    let inputs = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    assert_eq!(inputs[0]["digest"]["sha256"], Sha256::of(&lock).to_string());
    let page = read(&entries, "docs/review.html");
    assert!(page.contains(&Sha256::of(&lock).to_string()));
    let bom = read(&entries, "docs/sbom.cdx.json");
    assert!(bom.contains("\"expression\": \"MIT\""), "{bom}");
}

#[test]
fn one_lock_gives_the_same_documents_with_another_signing_key() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let lock = user.path("out/bundle.lock.json");
    let again = user.path("again.tar.zst");
    let config = user.path("other-config");
    let variables = [("XDG_CONFIG_HOME", text(&config)), ("TZ", "Asia/Tokyo")];
    let args = ["build", "--locked", text(&lock), "-o", text(&again)];
    user.run_with(&variables, &args).assert_ok();
    let (first, second) = (unpacked(&user.bundle()), unpacked(&again));
    assert_ne!(
        first.keys().collect::<Vec<_>>(),
        second.keys().collect::<Vec<_>>()
    );
    for path in DOCUMENTS {
        assert!(first[path] == second[path], "{path}");
    }
}

/// Markup, quotes, and characters that end a line, hide, or change the direction of writing.
const HOSTILE: &str = "a</code></pre><script>alert(1)</script>\"'&<img src=x onerror=y>\u{202e}\u{200b}\u{1b}[2J\r\nb";

#[test]
fn the_words_of_a_package_are_shown_as_text() {
    let (vendor, user) = (Vendor::new(), User::new());
    vendor.publish_hostile("relay", 8, "5.3.10", HOSTILE);
    let product = std::fs::read_to_string(vendor.product()).unwrap();
    let title = "\"Cour\\u001b[2Jier<script>\\nPACKAGE KEYS (pinned)\"";
    vendor.write("product.toml", product.replace("\"Courier\"", title));
    user.build_el8(&vendor).assert_ok();
    let entries = unpacked(&user.bundle());
    let page = read(&entries, "docs/review.html");
    let bare = |c: char| c != '\n' && c.is_control() || matches!(c, '\u{202e}' | '\u{200b}');
    assert!(!page.contains(bare), "{page}");
    for markup in ["<script", "<img", "onerror=y>"] {
        assert!(!page.contains(markup), "{markup}: {page}");
    }
    assert!(
        page.contains("Cour\\u{1b}[2Jier&lt;script&gt;\\nPACKAGE KEYS"),
        "{page}"
    );
    // Summary, licence and vendor; the scriptlet keeps its line ends.
    let shown = "&lt;script&gt;alert(1)&lt;&#x2f;script&gt;&quot;&#x27;&amp;&lt;img src=x \
                 onerror=y&gt;\\u{202e}\\u{200b}\\u{1b}[2J\\r";
    assert!(page.matches(shown).count() >= 4, "{page}");
    // The same words, unharmed, as data.
    let bom: Value = serde_json::from_str(&read(&entries, "docs/sbom.cdx.json")).unwrap();
    let said = bom["components"].as_array().unwrap();
    assert!(said.iter().any(|c| c["description"] == HOSTILE), "{bom}");
    assert!(
        said.iter()
            .any(|c| c["licenses"][0]["license"]["name"] == HOSTILE)
    );
}

#[test]
fn a_lock_whose_address_carries_a_password_is_refused_without_naming_it() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let lock = std::fs::read_to_string(user.path("out/bundle.lock.json")).unwrap();
    let mut lock: Value = serde_json::from_str(&lock).unwrap();
    lock["plan"]["repositories"][0]["url"] = "https://me:s3cret@vendor.invalid/el/8/".into();
    let edited = vendor.write("edited.json", lock.to_string());
    let again = user.path("again.tar.zst");
    let run = user.run(&["build", "--locked", text(&edited), "-o", text(&again)]);
    run.assert_refused(2, &["vendor.invalid", "password"]);
    assert!(
        !run.stderr.contains("s3cret") && !again.exists(),
        "{}",
        run.stderr
    );
}
