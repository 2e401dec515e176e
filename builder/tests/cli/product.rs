//! `bundle product show`: a product manifest with everything it leaves implicit.

#![expect(clippy::disallowed_methods, reason = "a test writes a manifest")]

use manifests::product::{ProductManifest, TYK};

use crate::program::{User, text};

const SHORT: &str = r#"type = "airgap-bundle/product/1"
name = "courier"
title = "Courier"
lead = "relay"
base_url = "https://packages.example"
distro = []
package_key = []

[settings.redis]
engine = { setting = { default = "redis" }, names = { redis = "redis" } }
redis.host = { from = [{ env = "{env}HOST" }, { pointer = "{at}host" }], default = "" }

[pins.agent]
"5.3.0" = "1.9"

[[repository]]
id = "courier"
path = "courier"
key_path = "gpgkey"

[[component]]
name = "relay"
title = "Relay"
package = "relay"
repository = "courier"
versioning = "lead"

[[component.store]]
id = "queue"
title = "messages"
settings = { like = "redis", env = "QUEUE_", at = "/queue/" }

[[component]]
name = "agent"
title = "Agent"
package = "agent"
repository = "courier"
versioning = "pinned"
"#;

fn user_with(manifest: &str) -> User {
    let user = User::new();
    std::fs::write(user.path("courier.toml"), manifest).unwrap();
    user
}

#[test]
fn the_built_in_product_is_shown_where_no_file_is_named() {
    let user = User::new();
    let tyk = ProductManifest::from_toml(TYK).unwrap();
    let shown = user.run(&["product", "show"]);
    let shown = &shown.assert_ok().stdout;
    assert!(!shown.contains("settings"), "{shown}");
    assert_eq!(ProductManifest::from_toml(shown).unwrap(), tyk);
    let json = user.run(&["product", "show", "--output", "json"]);
    let carried = ProductManifest::from_json(json.assert_ok().stdout.as_bytes());
    assert_eq!(carried.unwrap(), tyk);
}

#[test]
fn templates_and_pins_are_shown_in_full() {
    let user = user_with(SHORT);
    let file = user.path("courier.toml");
    let shown = user.run(&["product", "show", text(&file)]);
    let shown = &shown.assert_ok().stdout;
    for line in [
        r#"host = { default = "", from = [{ env = "QUEUE_HOST" }, { pointer = "/queue/host" }] }"#,
        "[[pin]]\nlead = \"5.3.0\"\ncomponent = \"agent\"\nversion = \"1.9\"",
        "[[component.store]]\nid = \"queue\"\n",
        "[component.store.redis]\n",
        "\ndatabase = { default = \"\", from = [] }\n",
    ] {
        assert!(shown.contains(line), "no {line}: {shown}");
    }
    std::fs::write(&file, shown).unwrap();
    let product = text(&file);
    let again = user.run_with(&[("BUNDLE_PRODUCT", product)], &["product", "show"]);
    assert_eq!(again.assert_ok().stdout, *shown);
}

#[test]
fn a_manifest_that_cannot_be_used_is_refused_with_its_line() {
    let user = User::new();
    let missing = user.path("nowhere.toml");
    user.run(&["product", "show", text(&missing)])
        .assert_refused(2, &["nowhere.toml", "check the path"]);
    for (from, to, words) in [
        ("at = \"/queue/\"", "on = \"/\"", ["line 31", "{at}"]),
        (
            "like = \"redis\"",
            "like = \"valkey\"",
            ["line 31", "valkey"],
        ),
        ("\"5.3.0\"", "5.3.0", ["line 14", "expected a string"]),
        ("versioning", "versionning", ["line 26", "versionning"]),
    ] {
        let user = user_with(&SHORT.replacen(from, to, 1));
        let file = user.path("courier.toml");
        let run = user.run(&["product", "show", text(&file)]);
        run.assert_refused(2, &words);
        run.assert_refused(2, &["courier.toml", "docs/product-manifest.md"]);
    }
}
