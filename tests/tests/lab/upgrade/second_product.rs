//! A product with other names, ports and layout, from a TOML file alone.

use std::path::PathBuf;

use lab::forge::Forge;
use lab::vendor::Product;
use manifests::bundle::Role;
use manifests::nevra::Arch;
use manifests::product::ProductManifest;

use crate::upgrade::support::{Site, site};

const SERVICE: &str = "relayd.service";

/// Installs the old packages and starts the service.
pub(crate) fn install_relay(site: &Site) {
    let mut install = vec!["rpm".to_owned(), "-U".to_owned()];
    for package in ["relayd", "relay-console"] {
        let inside = format!("/root/{package}.rpm");
        site.host
            .copy_in(rpm(site, package, "2.0.0"), &inside, 0o644)
            .unwrap();
        install.push(inside);
    }
    site.host.check(&install).unwrap();
    site.host
        .check(&["systemctl", "enable", "--now", SERVICE])
        .unwrap();
}

fn rpm(site: &Site, package: &str, version: &str) -> PathBuf {
    site.fixtures
        .rpm(package, version, "el8", "x86_64")
        .unwrap()
}

fn forge(site: &Site) -> Forge {
    let text = site
        .fixtures
        .product_toml(Product::Acme, "http://127.0.0.1:9")
        .unwrap();
    Forge {
        product: ProductManifest::from_toml(&text).unwrap(),
        vendor_keys: vec![site.fixtures.package_key(Product::Acme).unwrap().file],
        rpms: vec![
            (rpm(site, "relayd", "2.1.0"), Role::Target),
            (rpm(site, "relay-console", "2.1.0"), Role::Target),
            (rpm(site, "relayd", "2.0.0"), Role::Previous),
            (rpm(site, "relay-console", "2.0.0"), Role::Previous),
        ],
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        version: "2.1".to_owned(),
        lint: Vec::new(),
    }
}

#[test]
fn instances_of_a_template_are_held_and_started_again() {
    let Some(site) = site("template") else { return };
    install_relay(&site);
    let worker = "[Service]\nExecStart=/bin/sleep infinity\n";
    site.host
        .write("/etc/systemd/system/relay-worker@.service", worker, 0o644)
        .unwrap();
    site.host.check(&["systemctl", "daemon-reload"]).unwrap();
    let instances = ["relay-worker@a.service", "relay-worker@b.service"];
    site.host
        .check(&["systemctl", "start", instances[0], instances[1]])
        .unwrap();
    let process = |unit: &str| site.host.unit(unit).unwrap().main_pid;
    let before = instances.map(process);

    let mut forge = forge(&site);
    let relay = forge
        .product
        .components
        .iter_mut()
        .find(|c| c.package == "relayd")
        .unwrap();
    relay.unit = Some("relay-worker@.service".to_owned());
    relay.health = None;
    site.carry(&forge);
    let run = site.must_install(&["/root/bundle.tar.zst"]);
    assert!(run.stdout.contains("health not checked"), "{}", run.stdout);
    for (unit, before) in instances.iter().zip(before) {
        assert!(site.host.unit(unit).unwrap().is_active(), "{unit}");
        assert_ne!(process(unit), before, "{unit} was stopped in between");
    }
    assert!(
        !site
            .host
            .exists("/etc/systemd/system/relay-worker@.service.d")
    );
}
