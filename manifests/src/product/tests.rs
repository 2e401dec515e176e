use super::*;

mod templates;

/// The content of `tyk.toml` in the form that a bundle carries, without templates.
const TYK_IN_FULL: &str = include_str!("tests/tyk.json");

#[test]
fn the_embedded_product_expands_to_what_it_was_in_full() {
    let tyk = ProductManifest::from_toml(TYK).unwrap();
    let json = crate::json::canonical(&tyk).unwrap();
    assert_eq!(String::from_utf8(json).unwrap(), TYK_IN_FULL);
}

#[test]
fn the_embedded_product_is_valid_and_survives_json() {
    let tyk = ProductManifest::from_toml(TYK).unwrap();
    let json = crate::json::canonical(&tyk).unwrap();
    assert_eq!(ProductManifest::from_json(&json).unwrap(), tyk);
    assert_eq!(tyk.distro("centos7").unwrap().id, "el7");
    assert_eq!(tyk.distro("rocky9").unwrap().major, 9);
    let order: Vec<&str> = tyk.components.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(order, ["gateway", "dashboard", "pump"]);
}

#[test]
fn pins_reach_to_the_next_one_and_stay_on_their_line() {
    let tyk = ProductManifest::from_toml(TYK).unwrap();
    let pump = |lead| tyk.pinned("pump", lead).map(|pin| pin.version.as_str());
    assert_eq!(pump("5.3.0"), Some("1.9.0"));
    assert_eq!(pump("5.3.10"), Some("1.9.0"));
    assert_eq!(pump("5.3.12"), Some("1.12.0"));
    assert_eq!(pump("5.3.13"), Some("1.13.3"));
    assert_eq!(pump("5.8.15"), Some("1.16.0"));
    assert_eq!(pump("5.2.5"), None);
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let text = TYK.replacen("title =", "titel =", 1);
    let error = ProductManifest::from_toml(&text).unwrap_err().to_string();
    assert!(error.contains("titel") && error.contains("line"), "{error}");
}

#[test]
fn paths_that_leave_their_place_are_refused() {
    let text = TYK.replacen("/opt/tyk-gateway/tyk.conf", "/opt/../etc/shadow", 1);
    assert!(ProductManifest::from_toml(&text).is_err());
}

const PAGE: &str = include_str!("../../../docs/product-manifest.md");

#[test]
fn the_tutorial_shows_a_whole_manifest_that_can_be_used() {
    let example = include_str!("../../products/examples/lantern.toml");
    let (tutorial, _) = PAGE.split_once("\n## Reference\n").unwrap();
    let blocks: Vec<&str> = tutorial
        .split("```toml\n")
        .skip(1)
        .map(|block| block.split_once("```").unwrap().0)
        .collect();
    assert_eq!(blocks.join("\n"), example);
    let lantern = ProductManifest::from_toml(example).unwrap();
    let pinned = |lead| lantern.pinned("worker", lead).map(|pin| &*pin.version);
    assert_eq!(pinned("2.4.5"), Some("1.8.0"));
    assert_eq!(pinned("2.4.7"), Some("1.8"));
    assert_eq!(pinned("2.5.0"), None);
    let cache = lantern.components[0].stores[1].redis.as_ref().unwrap();
    let secret = Source::Env("LANTERN_CACHE_SECRET".to_owned());
    assert_eq!(cache.password.from, [secret]);
}

#[test]
fn the_reference_names_every_field() {
    let (_, reference) = PAGE.split_once("\n## Reference\n").unwrap();
    let tyk: serde_json::Value = serde_json::from_str(TYK_IN_FULL).unwrap();
    let mut rest = vec![&tyk];
    while let Some(value) = rest.pop() {
        for (field, below) in value.as_object().into_iter().flatten() {
            let names = ["`", "[[", "[", "[[component.", "[component."]
                .map(|start| format!("{start}{field}"));
            assert!(names.iter().any(|name| reference.contains(name)), "{field}");
            // These are values of settings, not fields.
            if field != "names" && field != "not_dumped" {
                rest.push(below);
            }
        }
        rest.extend(value.as_array().into_iter().flatten());
    }
}

#[test]
fn a_package_in_lock_step_belongs_to_one_component_alone() {
    let with = |packages: &str| {
        let gateway = "package = \"tyk-gateway\"";
        let text = TYK.replacen(gateway, &format!("{gateway}\npackages = {packages}"), 1);
        ProductManifest::from_toml(&text)
    };
    let product = with("[\"tyk-base\"]").unwrap();
    let names: Vec<&str> = product.components[0].all_packages().collect();
    assert_eq!(names, ["tyk-gateway", "tyk-base"]);
    for bad in [
        "[\"tyk-dashboard\"]",
        "[\"tyk-gateway\"]",
        "[\"a\", \"a\"]",
        "[\"-a\"]",
    ] {
        let error = with(bad).unwrap_err().to_string();
        assert!(error.contains("`packages`"), "{bad}: {error}");
    }
}
