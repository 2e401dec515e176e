//! A product with other names, ports and layout, from a TOML file alone.

use lab::forge::Forge;
use lab::vendor::Product;
use manifests::bundle::Role;
use manifests::product::ProductManifest;

use crate::support::site;

const SERVICE: &str = "relayd.service";

#[test]
fn an_invented_product_goes_forward_and_back() {
    let Some(site) = site("relay") else { return };
    let rpm = |package: &str, version: &str| {
        site.fixtures
            .rpm(package, version, "el8", "x86_64")
            .unwrap()
    };
    let mut install = vec!["rpm".to_owned(), "-U".to_owned()];
    for package in ["relayd", "relay-console"] {
        let inside = format!("/root/{package}.rpm");
        site.host
            .copy_in(rpm(package, "2.0.0"), &inside, 0o644)
            .unwrap();
        install.push(inside);
    }
    site.host.check(&install).unwrap();
    site.host
        .check(&["systemctl", "enable", "--now", SERVICE])
        .unwrap();

    let text = site
        .fixtures
        .product_toml(Product::Acme, "http://127.0.0.1:9")
        .unwrap();
    let forge = Forge {
        product: ProductManifest::from_toml(&text).unwrap(),
        vendor_keys: vec![site.fixtures.package_key(Product::Acme).unwrap().file],
        rpms: vec![
            (rpm("relayd", "2.1.0"), Role::Target),
            (rpm("relay-console", "2.1.0"), Role::Target),
            (rpm("relayd", "2.0.0"), Role::Previous),
            (rpm("relay-console", "2.0.0"), Role::Previous),
        ],
        distro: "el8".to_owned(),
        version: "2.1".to_owned(),
    };
    site.carry(&forge);
    site.must_install(&["/root/bundle.tar.zst"]);
    let relay = || site.host.check(&["rpm", "-q", "relayd"]).unwrap();
    assert_eq!(relay(), "relayd-2.1.0-1.x86_64\n");
    assert!(site.host.unit(SERVICE).unwrap().is_active());
    let (status, body) = site.host.http_get(9191, "/healthz").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("2.1.0"), "{body}");
    site.must_install(&["undo", "1"]);
    assert_eq!(relay(), "relayd-2.0.0-1.x86_64\n");
    assert!(site.host.unit(SERVICE).unwrap().is_active());
}
