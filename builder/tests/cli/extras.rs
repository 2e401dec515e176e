//! Files beside packages.

use std::path::PathBuf;

use crate::program::{User, text};
use crate::vendor::{Vendor, names};

const RULE: &str = "
[[extra]]
id = \"plugin\"
title = \"Plugin\"
component = \"relay\"
names = [\"{name}_{version}_{goarch}.so\"]
format = \"elf-shared-object\"
cure = \"build it for {version}\"
";

struct Site {
    vendor: Vendor,
    user: User,
}

impl Site {
    fn new() -> Self {
        let (vendor, user) = (Vendor::new(), User::new());
        let product = std::fs::read_to_string(vendor.product()).unwrap();
        vendor.write("product.toml", product + RULE);
        Self { vendor, user }
    }

    /// Writes the start of a shared object for the machine.
    fn plugin(&self, name: &str, machine: u8) -> PathBuf {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64, 0);
        (bytes[16], bytes[18]) = (3, machine);
        self.vendor.write(name, bytes)
    }

    fn build(&self, extras: &[&PathBuf]) -> crate::program::Run {
        let mut args = vec!["--version", "5.3", "--distro", "el8"];
        for extra in extras {
            args.extend(["--extra", text(extra)]);
        }
        self.user.build(&self.vendor, &args)
    }
}

#[test]
fn a_plugin_for_the_target_version_is_carried_and_a_locked_build_requires_the_same_one() {
    let site = Site::new();
    let plugin = site.plugin("auth_5.3.10_amd64.so", 62);
    site.build(&[&plugin]).assert_ok();
    let bundle = site.user.bundle();
    site.user.run(&["verify", text(&bundle)]).assert_ok();
    let inspected = site
        .user
        .run(&["--output", "json", "inspect", text(&bundle)]);
    let said = &inspected.assert_ok().stdout;
    assert!(
        said.contains("extras/plugin/auth_5.3.10_amd64.so"),
        "{said}"
    );

    // Every document about the bundle names it.
    let extracted = site.user.path("extracted");
    site.user
        .run(&["extract", text(&bundle), "--to", text(&extracted), "docs"])
        .assert_ok();
    for document in [
        "review.html",
        "sbom.cdx.json",
        "sbom.spdx.json",
        "provenance.intoto.json",
    ] {
        let said = std::fs::read_to_string(extracted.join("docs").join(document)).unwrap();
        assert!(said.contains("auth_5.3.10_amd64.so"), "{document}");
    }

    let (lock, again) = (
        site.user.path("out/bundle.lock.json"),
        site.user.path("again.tar.zst"),
    );
    let locked = |extras: &[&str]| {
        let args = ["build", "--locked", text(&lock), "-o", text(&again)];
        site.user.run(&[&args[..], extras].concat())
    };
    locked(&[]).assert_refused(2, &["auth_5.3.10_amd64.so", "--extra"]);
    locked(&["--extra", text(&plugin)]).assert_ok();
    let (first, second) = (std::fs::read(&bundle), std::fs::read(&again));
    assert!(first.unwrap() == second.unwrap(), "the bundles differ");
    let mut bytes = std::fs::read(&plugin).unwrap();
    bytes.push(1);
    site.vendor.write("auth_5.3.10_amd64.so", bytes);
    locked(&["--extra", text(&plugin)]).assert_refused(3, &["auth_5.3.10_amd64.so", "sha256"]);
}

#[test]
fn files_that_no_host_of_the_bundle_would_use_are_refused() {
    let site = Site::new();
    let earlier = site.plugin("auth_5.3.9_amd64.so", 62);
    let refused = site.build(&[&earlier]);
    refused.assert_refused(
        2,
        &[
            "auth_5.3.9_amd64.so",
            "NAME_5.3.10_amd64.so",
            "build it for 5.3.10",
        ],
    );
    let bare = site.plugin("auth.so", 62);
    site.build(&[&bare]).assert_refused(2, &["auth.so"]);
    let other_machine = site.plugin("auth_5.3.10_amd64.so", 183);
    site.build(&[&other_machine]).assert_refused(2, &["x86_64"]);
    let script = site.vendor.write("run_5.3.10_amd64.so", "#!/bin/sh\n");
    site.build(&[&script]).assert_refused(2, &["shared object"]);
    let good = site.plugin("auth_5.3.10_amd64.so", 62);
    site.build(&[&good, &good]).assert_refused(2, &["twice"]);
    let spaced = site.plugin("a b_5.3.10_amd64.so", 62);
    site.build(&[&spaced]).assert_refused(2, &["letters"]);
    let missing = site.vendor.path("not-there_5.3.10_amd64.so");
    site.build(&[&missing])
        .assert_refused(2, &["cannot be read"]);
    assert!(names(&site.user.path("out")).is_empty());
}

#[test]
fn a_product_without_rules_allows_nothing() {
    let (vendor, user) = (Vendor::new(), User::new());
    let plugin = vendor.write("auth_5.3.10_amd64.so", "x");
    let args = [
        "--version",
        "5.3",
        "--distro",
        "el8",
        "--extra",
        text(&plugin),
    ];
    user.build(&vendor, &args)
        .assert_refused(2, &["allows no files"]);
}
