//! Tests over a real rpm database below a root. Every inspected file contains a planted secret.
#![expect(
    clippy::disallowed_methods,
    reason = "a test lays out a host and runs the real rpm"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use manifests::digest::Sha256;
use manifests::product::TYK;

use super::*;
use crate::host::linux::LinuxHost;

const CANARY: &str = "canary-5up3r-s3cret";

fn product() -> ProductManifest {
    ProductManifest::from_toml(TYK).unwrap()
}

/// Lays out a host; `None` if rpm is not installed.
fn host() -> Option<(tempfile::TempDir, Layout, LinuxHost)> {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path());
    let write = |path: &str, text: &str| {
        let path = layout.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "/etc/os-release",
        "ID=\"rocky\"\nVERSION_ID=\"9.3\"\nPRETTY_NAME=\"Rocky Linux 9.3\"\n",
    );
    write("/etc/hostname", CANARY);
    write("/etc/crypto-policies/config", "# a comment\nDEFAULT:SHA1\n");
    for component in &product().components {
        for path in component.config.iter().chain(&component.environment) {
            write(path, &format!("{{\"secret\": \"{CANARY}\"}}"));
        }
    }
    fs::create_dir_all(layout.at("/usr/bin")).unwrap();
    symlink("usr/bin", layout.at("/bin")).unwrap();
    symlink("usr/bin", layout.at("/sbin")).unwrap();
    let made = Command::new("rpm")
        .args(["--root", dir.path().to_str()?, "--initdb"])
        .status();
    let host = LinuxHost::new(&layout);
    made.is_ok_and(|status| status.success())
        .then_some((dir, layout, host))
}

#[test]
fn facts_and_digests_are_recorded_and_no_content() {
    let Some((_dir, layout, host)) = host() else {
        return;
    };
    let taken = survey(&host, &layout, &product(), None).unwrap();
    taken.check().unwrap();
    let text = serde_json::to_string(&taken).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    let parsed = HostInventory::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed, taken);

    assert_eq!(taken.os.distro.as_deref(), Some("el9"));
    assert!(taken.os.merged_usr);
    assert!(!taken.rpm.database.is_empty());
    let policy = Observed::Known("DEFAULT:SHA1".to_owned());
    assert_eq!(taken.security.crypto_policy, policy);
    // Another root does not have its own kernel.
    assert_eq!(taken.os.kernel, Observed::Unknown);
    let digest = Sha256::of(format!("{{\"secret\": \"{CANARY}\"}}").as_bytes());
    assert!(!taken.configs.is_empty());
    for config in &taken.configs {
        assert_eq!(config.sha256, Observed::Known(digest), "{}", config.path);
    }
    assert!(taken.place_of("/opt/tyk-gateway/tyk").is_some());
}

#[test]
fn missing_paths_and_other_kinds_of_file_are_distinguished() {
    let Some((_dir, layout, host)) = host() else {
        return;
    };
    let product = product();
    let config = layout.at(&product.components[0].config[0]);
    fs::remove_file(&config).unwrap();
    let first = |layout| survey(&host, layout, &product, None).unwrap().configs[0].clone();
    assert_eq!(first(&layout).sha256, Observed::Absent);
    fs::create_dir(&config).unwrap();
    assert_eq!(first(&layout).sha256, Observed::Unknown);
    fs::remove_file(layout.at("/etc/crypto-policies/config")).unwrap();
    let taken = survey(&host, &layout, &product, Some("a".to_owned())).unwrap();
    assert_eq!(taken.security.crypto_policy, Observed::Absent);
    assert_eq!(taken.name.as_deref(), Some("a"));
}
