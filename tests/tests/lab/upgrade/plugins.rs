//! Go plugins. Those that the target gateway would not load are found before anything is changed.
//! Those that the bundle carries come and go with it.

use std::path::Path;

use lab::isolated::Finished;
use lab::vendor::{Product, Vendor, VendorOptions};
use manifests::product::{Expectation, ProductManifest};

use crate::upgrade::built::bundle;
use crate::upgrade::support::{Site, changes, site};

const DIRECTORY: &str = "/opt/tyk-gateway/middleware";
const BUNDLE: &str = "/root/bundle.tar.zst";
const REASON: &str = "the orders service is gone since spring";

/// A shared object as far as the builder checks, with the text that the lab's gateway looks for.
fn plugin(versions: &[&str]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01".to_vec();
    bytes.resize(64, 0);
    (bytes[16], bytes[18]) = (3, 62);
    for version in versions {
        bytes.extend(format!("built for {version}\n").bytes());
    }
    bytes
}

fn named(version: &str) -> String {
    format!("auth_v{version}_linux_amd64.so")
}

/// Builds a bundle for 5.3.2 with the real builder, with a carried plugin or without, and takes it to the
/// host with its root document.
fn bring(site: &Site, has_plugin: bool) {
    bring_with(site, has_plugin, |_| ());
}

/// Does the same for a product that `change` changes. Its data stores have tests of their own.
fn bring_with(site: &Site, has_plugin: bool, change: impl FnOnce(&mut ProductManifest)) {
    let dir = tempfile::tempdir().unwrap();
    let vendor = Vendor::start(&site.fixtures, VendorOptions::default()).unwrap();
    let product = site.fixtures.product(Product::Tyk, &vendor.base_url());
    let mut product = product.unwrap();
    product.migrations.clear();
    let components = product.components.iter_mut();
    components.for_each(|component| component.stores.clear());
    change(&mut product);
    let toml = toml::to_string(&product).unwrap();
    std::fs::write(dir.path().join("product.toml"), toml).unwrap();
    let mut args = vec!["build", "--version", "5.3", "--distro", "el8"];
    args.extend(["--product", "product.toml", "--without-installer", "x86_64"]);
    let name = named("5.3.2");
    if has_plugin {
        std::fs::write(dir.path().join(&name), plugin(&["5.3.2"])).unwrap();
        args.extend(["--extra", &name]);
    }
    assert!(bundle(dir.path(), &args).status.success());
    let file = dir.path().join("bundle.tar.zst");
    site.host.copy_in(file, BUNDLE, 0o644).unwrap();
    enrol(site, &dir.path().join("root.json"));
}

fn enrol(site: &Site, root: &Path) {
    let path = "/root/built-root.json";
    site.host.copy_in(root, path, 0o644).unwrap();
    let fingerprint = manifests::digest::Sha256::of(&std::fs::read(root).unwrap()).to_string();
    site.must_install(&["trust", "add", path, "--fingerprint", &fingerprint]);
}

fn place(site: &Site, name: &str, bytes: &[u8]) -> String {
    let path = format!("{DIRECTORY}/{name}");
    site.host.write(&path, bytes, 0o640).unwrap();
    path
}

#[track_caller]
fn assert_refused(run: &Finished, words: &[&str]) {
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    for word in [&["error: ", "  why: ", " next: "][..], words].concat() {
        assert!(run.stderr.contains(word), "no `{word}` in {}", run.stderr);
    }
}

#[test]
fn a_plugin_for_the_old_version_stops_the_upgrade_and_the_carried_build_comes_and_goes_with_it() {
    let Some(site) = site("plugins") else { return };
    let old = place(&site, &named("5.2.5"), &plugin(&["5.2.5"]));
    place(&site, &named("5.1.0"), &plugin(&["5.1.0"]));
    site.host.check(&["chown", "root:tyk", &old]).unwrap();
    let before = site.snapshot();

    bring(&site, false);
    let new = format!("{DIRECTORY}/{}", named("5.3.2"));
    let cure = "plugin compiler of version v5.3.2";
    for command in [&["plan", BUNDLE][..], &[BUNDLE]] {
        let refused = site.install(command);
        assert_refused(&refused, &[&old, &named("5.3.2"), cure, "--extra"]);
        assert!(!refused.stderr.contains("5.1.0"), "{}", refused.stderr);
    }
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    let plan = site.must_install(&["plan", BUNDLE, "--ignore-plugins-because", REASON]);
    assert!(plan.stdout.contains(REASON), "{}", plan.stdout);

    bring(&site, true);
    let plan = site.must_install(&["plan", BUNDLE]);
    assert!(plan.stdout.contains(&new), "{}", plan.stdout);
    let run = site.must_install(&[BUNDLE]);
    assert!(!run.stderr.contains("warning:"), "{}", run.stderr);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
    let dressed = site.host.check(&["stat", "-c", "%a %U:%G", &new]).unwrap();
    assert_eq!(dressed.trim(), "640 root:tyk");
    let load = [
        "/opt/tyk-gateway/tyk",
        "plugin",
        "load",
        "-f",
        &new,
        "-s",
        "Auth",
    ];
    site.host.check(&load).unwrap();
    assert!(site.host.exists(&old), "the way back needs it");
    assert!(!site.host.exists("/var/lib/airgap-bundle/trial"));

    site.must_install(&["undo", "1"]);
    assert!(!site.host.exists(&new));
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}

#[test]
fn an_upgrade_that_fails_takes_its_plugin_away_again() {
    let Some(site) = site("plugins-back") else {
        return;
    };
    // The operator's plugin directory holds other files too.
    let conf = "/opt/tyk-gateway/tyk.conf";
    let text = String::from_utf8(site.host.read(conf).unwrap()).unwrap();
    let text = text.replacen('{', r#"{"middleware_path": "/srv/plugins/","#, 1);
    site.host.write(conf, &text, 0o660).unwrap();
    let old = format!("/srv/plugins/deep/{}", named("5.2.5"));
    site.host.write(&old, plugin(&["5.2.5"]), 0o600).unwrap();
    site.host
        .write("/srv/plugins/notes", "ours", 0o600)
        .unwrap();
    site.host
        .check(&["systemctl", "restart", "tyk-gateway"])
        .unwrap();
    let before = site.snapshot();

    // This health check accepts no new version.
    bring_with(&site, true, |product| {
        let health = product.components[0].health.as_mut().unwrap();
        health.expect.push(Expectation {
            pointer: "/version".to_owned(),
            any_of: vec!["5.2.5".to_owned()],
        });
    });
    let run = site.install(&[BUNDLE]);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert!(run.stderr.contains("write what comes beside the packages"));
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    let left: Vec<String> = changes(&before, &site.snapshot());
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_plugin_without_a_version_in_its_name_is_tried_before_anything_is_changed() {
    let Some(site) = site("plugins-trial") else {
        return;
    };
    let path = place(&site, "auth.so", &plugin(&["5.2.5"]));
    let before = site.snapshot();
    bring(&site, false);
    let refused = site.install(&[BUNDLE]);
    let words = [
        &*path,
        "does not load",
        "different version of package",
        "v5.3.2",
    ];
    assert_refused(&refused, &words);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());

    // The check would load the plugin and so run its code as root. A file that others can write is
    // not loaded.
    site.host.check(&["chmod", "666", &path]).unwrap();
    let refused = site.install(&[BUNDLE]);
    assert_refused(&refused, &[&path, "is not known", "others can write"]);
    site.host.check(&["chmod", "640", &path]).unwrap();

    // A plugin that loads into both versions is not mentioned.
    place(&site, "auth.so", &plugin(&["5.2.5", "5.3.2"]));
    let plan = site.must_install(&["plan", BUNDLE]);
    assert!(!plan.stderr.contains("auth.so"), "{}", plan.stderr);

    place(&site, "auth.so", &plugin(&["5.2.5"]));
    let run = site.must_install(&["--ignore-plugins-because", REASON, BUNDLE]);
    assert!(
        run.stderr.contains(&path) && run.stderr.contains(REASON),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains(REASON), "{}", run.stdout);
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
}
