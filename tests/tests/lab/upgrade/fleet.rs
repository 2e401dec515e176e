//! One bundle for three hosts that sent their inventories.

use std::path::{Path, PathBuf};

use lab::isolated::{ElMajor, HostOptions, Image, IsolatedHost, baseline};
use lab::program;
use lab::vendor::{Fixtures, Product, Vendor, VendorOptions};
use manifests::host_inventory::HostInventory;

use crate::upgrade::built::bundle;
use crate::upgrade::support::{Site, changes};

/// Name, disguise, and the gateway that it runs.
const HOSTS: [(&str, ElMajor, &str); 3] = [
    ("fleet7", ElMajor::El7, "5.0.11"),
    ("fleet8", ElMajor::El8, "5.2.5"),
    ("fleet9", ElMajor::El9, "5.3.1"),
];

/// Boots a host in its disguise and installs what the vendor published for it.
fn boot(image: &Image, at: usize) -> Site {
    let (name, major, version) = HOSTS[at];
    let fixtures = Fixtures::prepare().unwrap();
    let options = HostOptions::named(name).os_major(major);
    let host = if major == ElMajor::El8 {
        // The other tests made the same already.
        let image = baseline::tyk_image(image, &fixtures, version).unwrap();
        let host = IsolatedHost::boot(&image, options).unwrap();
        baseline::wait_for_tyk(&host, std::time::Duration::from_mins(2)).unwrap();
        host
    } else {
        let host = IsolatedHost::boot(image, options).unwrap();
        baseline::install_tyk(&host, &fixtures, version).unwrap();
        host
    };
    // One path that an ordinary user can run, and one where the other tests expect it.
    for path in ["/usr/local/bin/install-tyk", "/root/install"] {
        let program = program::installer().unwrap();
        host.copy_in(program, path, 0o755).unwrap();
    }
    Site { host, fixtures }
}

/// Takes the inventory as an ordinary user, who cannot read configuration.
fn inventory(site: &Site, dir: &Path, name: &str) -> PathBuf {
    let ask = format!(
        "setpriv --reuid=65534 --regid=65534 --clear-groups \
         /usr/local/bin/install-tyk inventory --name {name}"
    );
    let text = site.host.check(&["sh", "-c", &ask]).unwrap();
    let path = dir.join(format!("{name}.json"));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn one_bundle_for_three_inventories_installs_on_each_host() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let fixtures = Fixtures::prepare().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut inventories = Vec::new();
    let mut before = Vec::new();
    for (at, (name, _, version)) in HOSTS.into_iter().enumerate() {
        let site = boot(&image, at);
        let path = inventory(&site, dir.path(), name);
        let taken = HostInventory::parse(&std::fs::read(&path).unwrap()).unwrap();
        let gateway: Vec<_> = taken.installed("tyk-gateway").collect();
        assert_eq!(gateway[0].nevra.evr().version(), version);
        assert!(gateway[0].header.starts_with("sha256:") && !gateway[0].provides.is_empty());
        before.push((site.snapshot(), site));
        inventories.push(path);
    }
    let vendor = Vendor::start(&fixtures, VendorOptions::default()).unwrap();
    let product = fixtures
        .product_toml(Product::Tyk, &vendor.base_url())
        .unwrap();
    std::fs::write(dir.path().join("product.toml"), product).unwrap();
    let mut args = vec!["build", "--version", "5.3", "--product", "product.toml"];
    args.extend(["--without-installer", "x86_64"]);
    for path in &inventories {
        args.extend(["--inventory", path.to_str().unwrap()]);
    }
    assert!(bundle(dir.path(), &args).status.success());
    let root = std::fs::read(dir.path().join("root.json")).unwrap();
    let fingerprint = manifests::digest::Sha256::of(&root).to_string();
    for (snapshot, site) in &before {
        for file in ["bundle.tar.zst", "root.json"] {
            let to = format!("/root/{file}");
            site.host.copy_in(dir.path().join(file), to, 0o644).unwrap();
        }
        let enrol = [
            "trust",
            "add",
            "/root/root.json",
            "--fingerprint",
            &fingerprint,
        ];
        site.must_install(&enrol);
        site.must_install(&["/root/bundle.tar.zst"]);
        assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
        site.must_install(&["undo", "1"]);
        assert_eq!(changes(snapshot, &site.snapshot()), Vec::<String>::new());
    }
}
