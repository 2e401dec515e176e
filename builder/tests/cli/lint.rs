//! What some hosts refuse. The build refuses it where no host could take it; elsewhere it reports
//! it.

use rpm::CompressionType::{Gzip, Xz, Zstd};

use crate::program::{User, text};
use crate::vendor::Vendor;

/// A vendor that publishes for EL7 too.
fn vendor_of_el7(versions: &[(&str, rpm::CompressionType)]) -> Vendor {
    let vendor = Vendor::new();
    let product = std::fs::read_to_string(vendor.product()).unwrap();
    let el7 =
        "[[distro]]\nid = \"el7\"\nos_ids = [\"centos\"]\nmajor = 7\n[[distro]]\nid = \"el8\"";
    let product = product.replacen("[[distro]]\nid = \"el8\"", el7, 1);
    vendor.write("product.toml", product);
    vendor.publish_packed("relay", 7, versions);
    vendor.publish_packed("agent", 7, &[("1.8.0", Xz), ("1.9.0", Gzip)]);
    vendor
}

#[test]
fn el7_gets_nothing_that_its_rpm_cannot_unpack_in_either_direction() {
    for (versions, refused) in [
        ([("5.2.7", Gzip), ("5.3.10", Zstd)], "relay-5.3.10-1.x86_64"),
        ([("5.2.7", Zstd), ("5.3.10", Gzip)], "relay-5.2.7-1.x86_64"),
    ] {
        let (vendor, user) = (vendor_of_el7(&versions), User::new());
        let run = user.build(&vendor, &["--version", "5.3", "--distro", "el7"]);
        run.assert_refused(2, &["el7 x86_64", refused, "rpm 4.11", "--distro"]);
        user.assert_nothing_written();
    }
    let (vendor, user) = (
        vendor_of_el7(&[("5.2.7", Gzip), ("5.3.10", Xz)]),
        User::new(),
    );
    let run = user.build(&vendor, &["--version", "5.3", "--distro", "el7"]);
    run.assert_ok();
    assert!(!run.stdout.contains("mind: "), "{}", run.stdout);
}

#[test]
fn what_only_some_hosts_refuse_is_reported_and_recorded() {
    let (vendor, user) = (Vendor::new(), User::new());
    vendor.publish_packed("relay", 8, &[("5.2.7", Gzip), ("5.3.10", Zstd)]);
    let run = user.build_el8(&vendor);
    run.assert_ok();
    let line = "mind: relay-5.3.10-1.x86_64: its compression is unknown to rpm 4.11";
    assert!(run.stdout.contains(line), "{}", run.stdout);
    let bundle = user.bundle();
    let inspected = user.run(&["--output", "json", "inspect", text(&bundle)]);
    assert!(inspected.stdout.contains("payload-not-for-el7"));
    let json = user.build(
        &vendor,
        &["--version", "5.3", "--distro", "el8", "--output", "json"],
    );
    let summary: serde_json::Value = serde_json::from_str(&json.assert_ok().stdout).unwrap();
    assert_eq!(summary["mind"].as_array().unwrap().len(), 1);
}

#[test]
fn an_unsigned_package_is_carried_by_name_only_and_recorded() {
    let (vendor, user) = (Vendor::new(), User::new());
    vendor.publish_unsigned("relay", 8, "5.3.10");
    let refused = user.build_el8(&vendor);
    refused.assert_refused(3, &["relay-5.3.10", "--accept-unsigned-package"]);
    user.assert_nothing_written();
    let request = ["--version", "5.3", "--distro", "el8"];
    let accept = ["--accept-unsigned-package", "relay"];
    let run = user.build(&vendor, &[&request[..], &accept].concat());
    run.assert_ok();
    assert!(run.stdout.contains("NOT SIGNED"), "{}", run.stdout);
    let bundle = user.bundle();
    let inspected = user.run(&["--output", "json", "inspect", text(&bundle)]);
    assert!(inspected.stdout.contains("\"unsigned\""));
}
