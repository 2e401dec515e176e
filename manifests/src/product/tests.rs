use super::*;

mod templates;

/// What `tyk.toml` said before there were templates, in the form that a bundle carries.
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
