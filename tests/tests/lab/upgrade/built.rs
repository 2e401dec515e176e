//! The whole road: the vendor serves, `bundle build` builds, the host installs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::program;
use lab::vendor::{Fixtures, Product, Vendor, VendorOptions};

use crate::upgrade::support::{Site, changes, site};

/// Runs `bundle` with a configuration directory of its own.
pub(crate) fn bundle(dir: &Path, args: &[&str]) -> Output {
    let output = Command::new(program::built("builder", "bundle").unwrap())
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

fn build(site: &Site, dir: &Path, line: &str, more: &[&str]) -> PathBuf {
    let vendor = Vendor::start(&site.fixtures, VendorOptions::default()).unwrap();
    let product = site
        .fixtures
        .product_toml(Product::Tyk, &vendor.base_url())
        .unwrap();
    std::fs::write(dir.join("product.toml"), product).unwrap();
    let args = [
        "build",
        "--version",
        line,
        "--distro",
        "el8",
        "--product",
        "product.toml",
        "--without-installer",
        "x86_64",
    ];
    let output = bundle(dir, &[&args, more].concat());
    assert!(output.status.success());
    dir.join("bundle.tar.zst")
}

#[test]
fn a_bundle_from_the_vendor_upgrades_the_host() {
    let Some(site) = site("built") else { return };
    let before = site.snapshot();
    let dir = tempfile::tempdir().unwrap();
    let file = build(&site, dir.path(), "5.3", &[]);
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

    std::fs::remove_file(&file).unwrap();
    a_split_bundle_is_installed_where_its_parts_lie(&site, dir.path());
}

/// The host trusts the key in this directory already.
fn a_split_bundle_is_installed_where_its_parts_lie(site: &Site, dir: &Path) {
    build(site, dir, "5.3", &["--split", "1500K"]);
    let mut parts = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("bundle.tar.zst.part") {
            // Every other one is on another medium.
            let is_part = !name.starts_with("bundle.tar.zst.parts.");
            parts += u32::from(is_part);
            let medium = if is_part && parts % 2 == 0 {
                "second"
            } else {
                "first"
            };
            let to = format!("/root/{medium}/{name}");
            site.host.copy_in(dir.join(&name), &to, 0o644).unwrap();
        }
    }
    assert!(parts > 2, "{parts} parts");
    let list = "/root/first/bundle.tar.zst.parts.json";
    let incomplete = site.install(&[list]);
    assert_eq!(incomplete.code(), Some(3), "{}", incomplete.stderr);
    assert!(
        incomplete.stderr.contains("missing"),
        "{}",
        incomplete.stderr
    );
    site.must_install(&["--parts-dir", "/root/second", list]);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn one_bundle_serves_several_distributions_and_architectures() {
    let fixtures = Fixtures::prepare().unwrap();
    let vendor = Vendor::start(&fixtures, VendorOptions::default()).unwrap();
    let product = fixtures
        .product_toml(Product::Tyk, &vendor.base_url())
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("product.toml"), product).unwrap();
    let build = |out: &str, rest: &[&str]| {
        let mut args = vec![
            "build",
            "--product",
            "product.toml",
            "--version",
            "5.3",
            "-o",
            out,
        ];
        args.extend([
            "--without-installer",
            "x86_64",
            "--without-installer",
            "aarch64",
        ]);
        args.extend(rest);
        assert!(bundle(dir.path(), &args).status.success());
    };
    let targets = [
        "--distro",
        "el7,rocky8,el9",
        "--arch",
        "x86_64",
        "--arch",
        "aarch64",
    ];
    build(
        "first.tar.zst",
        &[&targets[..], &["--from", "5.0"]].concat(),
    );
    assert!(
        bundle(dir.path(), &["verify", "first.tar.zst"])
            .status
            .success()
    );
    let inspected = bundle(
        dir.path(),
        &["--output", "json", "inspect", "first.tar.zst"],
    );
    let said: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    let text = said.to_string();
    for word in [
        "el7",
        "el8",
        "el9",
        "aarch64",
        "tyk-gateway-5.0.11-1.x86_64",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let digest = |file: &str| bundle(dir.path(), &["digest", file]).stdout;
    let locked = [
        "build",
        "--locked",
        "first.lock.json",
        "-o",
        "second.tar.zst",
        "--without-installer",
        "x86_64",
        "--without-installer",
        "aarch64",
    ];
    assert!(bundle(dir.path(), &locked).status.success());
    let bytes = |file: &str| std::fs::read(dir.path().join(file)).unwrap();
    assert!(
        bytes("first.tar.zst") == bytes("second.tar.zst"),
        "the same lock, other bytes"
    );
    assert_eq!(digest("first.tar.zst"), digest("second.tar.zst"));
}
