//! What surrounds a build: keys, signals, generated pages.

use std::os::unix::fs::PermissionsExt as _;

use crate::program::{User, text};
use crate::server::{Manner, Server};
use crate::vendor::{Vendor, names};

#[test]
fn a_key_is_made_at_first_use_and_its_root_travels_beside_the_bundle() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.run(&["key", "show"])
        .assert_refused(2, &["bundle key create"]);
    let first = user.build_el8(&vendor);
    assert!(first.assert_ok().stdout.contains("made by this build"));
    let again = user.build_el8(&vendor);
    assert!(!again.assert_ok().stdout.contains("made by this build"));
    let shown = user.run(&["key", "show"]);
    let exported = user.run(&["key", "export", "root"]);
    let root = std::fs::read_to_string(user.path("out/root.json")).unwrap();
    assert_eq!(exported.assert_ok().stdout, root);
    let fingerprint = manifests::digest::Sha256::of(root.as_bytes()).to_string();
    for run in [&first, &again, &shown] {
        assert!(run.stdout.contains(&fingerprint), "{}", run.stdout);
    }
    let key = user.path("config/airgap-bundle/signing-key.pem");
    let mode = std::fs::metadata(key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_signal_ends_the_build_and_leaves_nothing() {
    let (vendor, user) = (Vendor::new(), User::new());
    let server = Server::start(&vendor.path(""), Manner::Stall("repomd.xml"));
    let request = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--repo-url",
        &server.url,
    ];
    let run = user.interrupted(&vendor, &request);
    run.assert_refused(130, &[]);
    user.assert_nothing_written();
}

#[test]
fn an_output_directory_that_is_not_there_is_refused_before_any_download() {
    let (vendor, user) = (Vendor::new(), User::new());
    let (product, out) = (vendor.product(), user.path("nowhere/bundle.tar.zst"));
    let run = user.run(&[
        "build",
        "--product",
        text(&product),
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--without-installer",
        "x86_64",
        "-o",
        text(&out),
    ]);
    run.assert_refused(1, &["nowhere"]);
    assert_eq!(names(&user.path("cache")), Vec::<String>::new());
}

#[test]
fn a_missing_or_foreign_installer_is_refused() {
    let (vendor, user) = (Vendor::new(), User::new());
    let (product, out) = (vendor.product(), user.bundle());
    let script = vendor.write("install.sh", "#!/bin/sh\n");
    let named = format!("x86_64={}", script.display());
    let build = |more: &[&str]| {
        let mut args = vec!["build", "--product", text(&product), "-o", text(&out)];
        args.extend(["--version", "5.3", "--distro", "el8"]);
        args.extend(more);
        user.run(&args)
    };
    build(&["--arch", "aarch64"]).assert_refused(2, &["--without-installer aarch64"]);
    build(&["--installer", &named]).assert_refused(2, &["ELF"]);
    user.assert_nothing_written();
}

#[test]
fn an_installer_is_carried_inside_and_beside() {
    let (vendor, user) = (Vendor::new(), User::new());
    let (product, out) = (vendor.product(), user.bundle());
    // Any program for this machine will do.
    let program = std::env::current_exe().unwrap();
    let arch = std::env::consts::ARCH;
    let named = format!("{arch}={}", program.display());
    let args = [
        "build",
        "--product",
        text(&product),
        "-o",
        text(&out),
        "--installer",
        &named,
    ];
    let request = ["--version", "5.3", "--distro", "el8", "--arch", arch];
    if arch != "x86_64" {
        eprintln!("skipped: the fixture publishes x86_64 only");
        return;
    }
    user.run(&[&args[..], &request].concat()).assert_ok();
    let beside = user.path("out/install-x86_64");
    let bytes = std::fs::read(&beside).unwrap();
    assert!(bytes == std::fs::read(program).unwrap());
    let mode = std::fs::metadata(&beside).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let sum = std::fs::read_to_string(user.path("out/install-x86_64.sha256")).unwrap();
    let digest = manifests::digest::Sha256::of(&bytes);
    assert_eq!(sum, format!("{digest}  install-x86_64\n"));
    user.run(&["verify", text(&out)]).assert_ok();
}

#[test]
fn completions_and_man_pages_come_from_the_same_definition() {
    let user = User::new();
    let completions = user.run(&["generate", "completions", "bash"]);
    assert!(
        completions
            .assert_ok()
            .stdout
            .contains("--trust-vendor-key")
    );
    user.run(&["generate", "man", text(&user.path("out"))])
        .assert_ok();
    let pages = names(&user.path("out"));
    for page in ["bundle.1", "bundle-build.1", "bundle-key-export.1"] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
}
