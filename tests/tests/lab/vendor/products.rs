//! The product manifests describe the real packages and servers.

use lab::vendor::{Fixtures, Product, Vendor, VendorOptions, http};
use manifests::product::ProductManifest;

use crate::vendor::support::{fixtures, query};

/// A version of each package that el8 has.
const VERSIONS: [(&str, &str); 5] = [
    ("tyk-gateway", "5.3.2"),
    ("tyk-dashboard", "5.3.2"),
    ("tyk-pump", "1.9.0"),
    ("relayd", "2.1.0"),
    ("relay-console", "2.1.0"),
];

#[test]
fn units_programs_and_configs_are_in_the_rpms() {
    for product in Product::ALL {
        let manifest = fixtures().product(product, "http://127.0.0.1:1").unwrap();
        for component in &manifest.components {
            let (package, version) = VERSIONS
                .iter()
                .find(|(package, _)| *package == component.package)
                .unwrap();
            let rpm = fixtures().rpm(package, version, "el8", "x86_64").unwrap();
            let files = query(&rpm, &["--list"]);
            let unit = format!("lib/systemd/system/{}", component.unit.as_ref().unwrap());
            assert!(
                files.lines().any(|file| file.ends_with(&unit)),
                "{unit}: {files}"
            );
            for file in component.program.iter().chain(&component.config) {
                assert!(files.lines().any(|line| line == file), "{file}: {files}");
            }
        }
    }
}

#[test]
fn every_address_of_a_manifest_is_served() {
    let vendor = Vendor::start(fixtures(), VendorOptions::default()).unwrap();
    for product in Product::ALL {
        let manifest = fixtures().product(product, &vendor.base_url()).unwrap();
        for repository in &manifest.repositories {
            for (distro, arch) in manifest
                .distros
                .iter()
                .flat_map(|distro| Fixtures::ARCHES.map(|arch| (distro, arch)))
            {
                let path = repository
                    .path
                    .replace("{major}", &distro.major.to_string())
                    .replace("{arch}", arch);
                let url = format!("{}/{path}/repodata/repomd.xml", manifest.base_url);
                let origin = http::get(&url).unwrap();
                let found = http::get(origin.header("location").unwrap()).unwrap();
                assert_eq!(found.status, 200, "{url}");
            }
            let key = format!("{}/{}", manifest.base_url, repository.key_path);
            assert_eq!(http::get(&key).unwrap().status, 200, "{key}");
        }
        for key in &manifest.package_keys {
            assert_eq!(http::get(&key.url).unwrap().status, 200, "{}", key.url);
        }
    }
}

#[test]
fn manifests_are_read_back_as_they_were_written() {
    for product in Product::ALL {
        let text = fixtures()
            .product_toml(product, "http://127.0.0.1:1")
            .unwrap();
        let read = ProductManifest::from_toml(&text).unwrap();
        assert_eq!(
            read,
            fixtures().product(product, "http://127.0.0.1:1").unwrap()
        );
        let pins: Vec<_> = read
            .repositories
            .iter()
            .flat_map(|repository| &repository.key_fingerprints)
            .collect();
        assert_eq!(pins.len(), read.repositories.len());
        assert_eq!(
            read.package_keys[0].fingerprints,
            [fixtures().package_key(product).unwrap().fingerprint]
        );
    }
}
