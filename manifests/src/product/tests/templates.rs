//! Settings templates and lists of pins.

use super::*;

/// A product with one store, whose fields are `fields`, and these `templates`.
fn product(templates: &str, fields: &str) -> String {
    format!(
        r#"type = "airgap-bundle/product/1"
name = "courier"
title = "Courier"
lead = "relay"
base_url = "https://packages.example"
distro = []
package_key = []
{templates}
[[repository]]
id = "relay"
path = "relay"
key_path = "gpgkey"
[[component]]
name = "relay"
title = "Relay"
package = "relay"
repository = "relay"
versioning = "lead"
[[component.store]]
id = "queue"
title = "messages"
{fields}
"#
    )
}

const REDIS: &str = r#"
[settings.redis]
engine = { setting = { default = "redis" }, names = { redis = "redis" } }
[settings.redis.redis]
host = { from = [{ env = "{env}HOST" }, { pointer = "{at}host" }], default = "" }
port = { from = [{ env = "{env}PORT" }, { pointer = "{at}port" }], default = "6379" }
"#;

fn store(fields: &str) -> StoreRule {
    let product = ProductManifest::from_toml(&product(REDIS, fields)).unwrap();
    product.components[0].stores[0].clone()
}

/// Asserts that a manifest is refused with these words, and that the error names the line of
/// `culprit`.
fn assert_refused(templates: &str, fields: &str, culprit: &str, words: &str) {
    let text = product(templates, fields);
    let (before, _) = text.split_once(culprit).unwrap();
    let line = before.matches('\n').count() + 1;
    let error = ProductManifest::from_toml(&text).unwrap_err().to_string();
    assert!(
        error.contains(&format!("line {line}")),
        "not line {line}: {error}"
    );
    assert!(error.contains(words), "{error}");
}

fn names(setting: &Setting) -> Vec<&str> {
    let name = |source| match source {
        &Source::Env(ref name) | &Source::Pointer(ref name) => name.as_str(),
    };
    setting.from.iter().map(name).collect()
}

#[test]
fn a_template_names_what_its_gaps_say() {
    let store = store(r#"settings = { like = "redis", env = "RELAY_QUEUE_", at = "/queue/" }"#);
    let redis = store.redis.unwrap();
    assert_eq!(names(&redis.host), ["RELAY_QUEUE_HOST", "/queue/host"]);
    assert_eq!(names(&redis.port), ["RELAY_QUEUE_PORT", "/queue/port"]);
    assert_eq!(redis.port.default, "6379");
    assert_eq!(store.engine.names["redis"], Engine::Redis);
}

#[test]
fn a_product_may_name_its_settings_in_any_way() {
    let upper = r#"settings = { like = "redis", env = "RELAY_QUEUE_REDIS__", at = "/spring/redis-queue/0/" }
redis.password = { from = [{ env = "RELAY_QUEUE_SECRET" }, { pointer = "/spring/redis-queue/pass.word" }], default = "" }"#;
    let redis = store(upper).redis.unwrap();
    let host = ["RELAY_QUEUE_REDIS__HOST", "/spring/redis-queue/0/host"];
    assert_eq!(names(&redis.host), host);
    let password = ["RELAY_QUEUE_SECRET", "/spring/redis-queue/pass.word"];
    assert_eq!(names(&redis.password), password);
}

#[test]
fn a_field_beside_settings_replaces_the_whole_field() {
    let store = store(
        r#"settings = { like = "redis", env = "RELAY_", at = "/" }
engine = { setting = { default = "valkey" }, names = { valkey = "redis" } }
redis.host = { default = "localhost" }
redis.tls = { default = "true" }"#,
    );
    assert_eq!(store.engine.setting.default, "valkey");
    assert!(!store.engine.names.contains_key("redis"));
    let redis = store.redis.unwrap();
    assert_eq!(redis.host.default, "localhost");
    assert!(redis.host.from.is_empty());
    assert_eq!(redis.tls.default, "true");
    assert_eq!(names(&redis.port), ["RELAY_PORT", "/port"]);
}

#[test]
fn a_health_check_may_use_a_template_without_gaps() {
    let patience = "[settings.patience]\nconsecutive = 3\ninterval_ms = 1000\ntimeout_ms = 2000\n\
                    budget_secs = 60\n";
    let text = product(patience, "")
        .replace("[[component.store]]", "[component.health]")
        .replace(
            "id = \"queue\"\ntitle = \"messages\"\n",
            r#"
settings = { like = "patience" }
budget_secs = 90
expect = []
address = { default = "127.0.0.1" }
port = { default = "80" }
path = { default = "" }
tls = { default = "false" }
"#,
        );
    let product = ProductManifest::from_toml(&text).unwrap();
    let health = product.components[0].health.as_ref().unwrap();
    assert_eq!((health.consecutive, health.budget_secs), (3, 90));
}

#[test]
fn each_survives_in_templates_and_in_gaps() {
    let store = store(
        r#"settings = { like = "redis", env = "RELAY_{each}_", at = "/queues/{each}/" }
each = { pointer = "/queues" }"#,
    );
    let host = store.redis.unwrap().host;
    assert_eq!(names(&host), ["RELAY_{each}_HOST", "/queues/{each}/host"]);
    assert_eq!(
        names(&host.for_entry("a")),
        ["RELAY_A_HOST", "/queues/a/host"]
    );
}

#[test]
fn a_gap_that_is_missing_unknown_or_given_twice_is_named_with_its_line() {
    let missing = r#"settings = { like = "redis", env = "X_" }"#;
    assert_refused(REDIS, missing, missing, "{at}");
    let unknown = "settings.like = \"redis\"\nsettings.env = \"X_\"\nsettings.at = \"/\"\nsettings.pot = \"/\"";
    assert_refused(REDIS, unknown, "settings.pot", "no gap {pot}");
    let each = "settings.like = \"redis\"\nsettings.env = \"X_\"\nsettings.at = \"/\"\nsettings.each = \"/\"";
    assert_refused(REDIS, each, "settings.each", "no gap {each}");
    let twice = "settings.like = \"redis\"\nsettings.env = \"X_\"\nsettings.at = \"/\"\nsettings.at = \"/b\"";
    assert_refused(REDIS, twice, "settings.at = \"/b\"", "duplicate key");
    let number = "settings.like = \"redis\"\nsettings.env = \"X_\"\nsettings.at = 7";
    assert_refused(REDIS, number, "settings.at", "expected a string");
}

#[test]
fn a_template_that_is_missing_or_uses_another_is_named_with_its_line() {
    let other = r#"settings = { like = "valkey" }"#;
    assert_refused(REDIS, other, other, "no template `valkey`");
    assert_refused("", other, other, "no template `valkey`");
    let none = r#"settings = { env = "X_" }"#;
    assert_refused(REDIS, none, none, "needs `like`");
    assert_refused(
        REDIS,
        "settings = \"redis\"",
        "settings = \"redis\"",
        "expected a map",
    );
    let nested = "[settings.outer]\nid = \"x\"\nsettings = { like = \"redis\" }\n";
    let culprit = "settings = { like = \"redis\" }";
    assert_refused(
        nested,
        "settings = { like = \"outer\" }",
        culprit,
        "cannot use another",
    );
    let twice = [REDIS, REDIS].concat();
    let error = ProductManifest::from_toml(&product(&twice, ""))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line") && error.contains("duplicate key"),
        "{error}"
    );
}

#[test]
fn a_wrong_field_of_a_template_is_shown_where_the_template_has_it() {
    let templates = REDIS.replace("port =", "prot =");
    let used = r#"settings = { like = "redis", env = "X_", at = "/" }"#;
    assert_refused(&templates, used, "prot =", "unknown field `prot`");
}

#[test]
fn what_fills_a_gap_stays_in_its_place() {
    // A fixed sequence: the same cases in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000_003).unwrap() % below
    };
    let plain = [
        "a", "Z", "_", "/", "#", "=", "[x]", "{each}", "é", "\u{7f}", "~1",
    ];
    let special = ["\"", "'", "\\", "\n", "\", x = \""];
    let pieces = [&plain[..], &special].concat();
    let braces = [
        "{", "}", "{at}", "{env}", "{like}", "{", "}{", "{each", "each}", "{{each}}",
    ];
    for case in 0..400 {
        let mut word =
            |of: &[&str]| -> String { (0..random(6)).map(|_| of[random(of.len())]).collect() };
        let (env, at) = (word(&pieces), word(&pieces));
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let fields = format!(
            "settings = {{ like = \"redis\", env = {}, at = {} }}",
            quoted(&env),
            quoted(&at)
        );
        let redis = store(&fields).redis.unwrap();
        assert_eq!(
            names(&redis.host),
            [format!("{env}HOST"), format!("{at}host")],
            "{case}"
        );
        let expected = RedisSettings {
            host: redis.host.clone(),
            port: redis.port.clone(),
            ..Default::default()
        };
        assert_eq!(redis, expected, "{case}");

        let brace = format!("{env}{}{at}", braces[case % braces.len()]);
        let fields = format!(
            "settings = {{ like = \"redis\", env = {}, at = \"/\" }}",
            quoted(&brace)
        );
        let refused = ProductManifest::from_toml(&product(REDIS, &fields));
        assert!(
            matches!(refused, Err(ProductError::Template { .. })),
            "{case}: {brace}"
        );
    }
}

#[test]
fn both_spellings_of_pins_are_read() {
    let lines = "[pins.relay]\n\"5.10.0\" = \"2\"\n\"5.3.0\" = \"1.9.0\"\n";
    let tables = "[[pin]]\nlead = \"5.2.0\"\ncomponent = \"relay\"\nversion = \"1.8\"\n";
    let text = product(&[tables, lines].concat(), "").replace(
        "[[component.store]]\nid = \"queue\"\ntitle = \"messages\"\n",
        "",
    );
    let pins = ProductManifest::from_toml(&text).unwrap().pins;
    let pins: Vec<_> = pins
        .iter()
        .map(|pin| (pin.lead.as_str(), pin.version.as_str()))
        .collect();
    assert_eq!(
        pins,
        [("5.2.0", "1.8"), ("5.3.0", "1.9.0"), ("5.10.0", "2")]
    );
}

#[test]
fn a_wrong_pin_is_named_with_its_line() {
    assert_refused(
        "[pins.relay]\n5.3.0 = \"1.9\"\n",
        "",
        "5.3.0 =",
        "expected a string",
    );
    assert_refused(
        "[pins.relay]\n\"5.3.0\" = 1.9\n",
        "",
        "\"5.3.0\"",
        "expected a string",
    );
    assert_refused("pins.relay = \"1.9\"\n", "", "pins.relay", "expected a map");
    let text = product("[pins.courier]\n\"5.3.0\" = \"1\"\n", "").replace(
        "[[component.store]]\nid = \"queue\"\ntitle = \"messages\"\n",
        "",
    );
    let error = ProductManifest::from_toml(&text).unwrap_err().to_string();
    assert!(error.contains("`courier`"), "{error}");
}

#[test]
fn what_is_printed_says_the_same_without_templates() {
    let used = r#"settings = { like = "redis", env = "A\"B\\_", at = "/a b/é/" }"#;
    let small = product(REDIS, used);
    for text in [TYK, &small] {
        let product = ProductManifest::from_toml(text).unwrap();
        let printed = product.to_toml().unwrap();
        assert!(!printed.contains("settings"), "{printed}");
        assert_eq!(ProductManifest::from_toml(&printed).unwrap(), product);
    }
}

#[test]
fn a_brace_without_its_other_half_and_settings_without_tables_are_refused() {
    let used = "settings = { like = \"redis\", env = \"A_\", at = \"/a/\" }";
    for (whole, half) in [("{env}", "{env"), ("{env}", "env}"), ("{at}", "{at}}")] {
        let templates = REDIS.replacen(whole, half, 1);
        assert_ne!(templates, REDIS, "{half}");
        assert_refused(&templates, used, used, "without its other half");
    }
    assert_refused("settings = 5\n", "", "5", "holds tables");
}
