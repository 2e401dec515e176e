//! The whole road: the vendor serves, `bundle build` builds, the host installs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::vendor::{Product, Vendor, VendorOptions};

use crate::support::{Site, changes, program, site};

/// Runs `bundle` with a configuration directory of its own.
fn bundle(dir: &Path, args: &[&str]) -> Output {
    let output = Command::new(program("builder", "bundle"))
        .args(args)
        .current_dir(dir)
        .env("XDG_CONFIG_HOME", dir.join("config"))
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .output()
        .unwrap();
    println!(
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    output
}

fn build(site: &Site, dir: &Path, line: &str) -> PathBuf {
    let vendor = Vendor::start(&site.fixtures, VendorOptions::default()).unwrap();
    let product = site
        .fixtures
        .product_toml(Product::Tyk, &vendor.base_url())
        .unwrap();
    std::fs::write(dir.join("product.toml"), product).unwrap();
    let output = bundle(
        dir,
        &[
            "build",
            "--version",
            line,
            "--distro",
            "el8",
            "--product",
            "product.toml",
            "--without-installer",
            "x86_64",
        ],
    );
    assert!(output.status.success());
    dir.join("bundle.tar.zst")
}

#[test]
fn a_bundle_from_the_vendor_upgrades_the_host() {
    let Some(site) = site("built") else { return };
    let before = site.snapshot();
    let dir = tempfile::tempdir().unwrap();
    let file = build(&site, dir.path(), "5.3");
    site.host
        .copy_in(&file, "/root/bundle.tar.zst", 0o644)
        .unwrap();
    site.host
        .copy_in(dir.path().join("root.json"), "/root/root.json", 0o644)
        .unwrap();

    let unknown = site.install(&["/root/bundle.tar.zst"]);
    assert_eq!(unknown.code(), Some(3), "its signer is not enrolled yet");
    let root = std::fs::read(dir.path().join("root.json")).unwrap();
    let fingerprint = manifests::digest::Sha256::of(&root).to_string();
    site.must_install(&[
        "trust",
        "add",
        "/root/root.json",
        "--fingerprint",
        &fingerprint,
    ]);
    site.must_install(&["/root/bundle.tar.zst"]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    site.must_install(&["undo", "1"]);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}
