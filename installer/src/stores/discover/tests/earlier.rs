//! What an earlier look found, before services were held.

use super::*;

/// The password is gone while the service is stopped; the file that names the store is not.
#[test]
fn the_access_of_an_earlier_look_counts() {
    let conf = r#"{"storage": {"type": "redis", "host": "r", "port": 6379}}"#;
    let secret = "/run/tyk/secret.env";
    let files = [
        (GATEWAY, conf),
        (secret, "TYK_GW_STORAGE_PASSWORD=canary\n"),
    ];
    let command = "/opt/tyk-gateway/tyk --conf /opt/tyk-gateway/tyk.conf";
    let site = Site::new(&files, command).with_file("-/run/tyk/secret.env");
    let product = ProductManifest::from_toml(TYK).unwrap();
    let gateway = product.component("gateway").unwrap();
    let look = || discover(&site, &site.layout, &[gateway]);
    let earlier = look();
    let shown = earlier.shown().found;
    assert!(
        shown.iter().all(|store| store.vanishing == [secret]),
        "{shown:?}"
    );
    crate::secure_fs::remove_if_present(&site.layout.at(secret)).unwrap();
    let password = |found: &Discovery| {
        let Ok(Access::Redis(redis)) = found.access("gateway-redis", "redis r:6379") else {
            panic!("{found:?}");
        };
        redis.password.as_ref().map(|it| it.reveal().to_owned())
    };
    assert_eq!(password(&look()), None);
    assert_eq!(
        password(&look().or(Some(&earlier))).as_deref(),
        Some("canary")
    );
}

#[test]
fn what_an_earlier_look_found_is_not_lost() {
    let text = format!(r#"{{"storage": {{"type": "redis", {REDIS}}}}}"#);
    let earlier = Host::new(&[(GATEWAY, &text)]).discover();
    let now = Discovery::default().or(Some(&earlier));
    assert!(!now.shown().found.is_empty());
    assert_eq!(now.shown().found, earlier.shown().found);
}
