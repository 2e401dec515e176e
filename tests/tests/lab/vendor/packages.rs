//! The RPMs, looked at from outside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lab::vendor::{Fixtures, Product, Variant};

use crate::vendor::support::{check_signature, fixtures, query, stdout};

fn gateway(version: &str, distro: &str) -> PathBuf {
    fixtures()
        .rpm("tyk-gateway", version, distro, "x86_64")
        .unwrap()
}

/// Path to the whole line of `rpm --dump`.
fn dump(rpm: &std::path::Path) -> BTreeMap<String, Vec<String>> {
    let line = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        (words[0].clone(), words)
    };
    query(rpm, &["--dump"]).lines().map(line).collect()
}

fn digest<'a>(dump: &'a BTreeMap<String, Vec<String>>, path: &str) -> &'a str {
    &dump[path][3]
}

#[test]
fn every_published_rpm_is_signed_by_its_vendor() {
    let published = [
        (Product::Tyk, "tyk-gateway", "5.8.0"),
        (Product::Tyk, "tyk-dashboard", "5.2.5"),
        (Product::Tyk, "tyk-pump", "1.12.0"),
        (Product::Acme, "relayd", "2.1.0"),
        (Product::Acme, "relay-console", "2.0.0"),
    ];
    for (product, package, version) in published {
        for arch in Fixtures::ARCHES {
            let rpm = fixtures().rpm(package, version, "el9", arch).unwrap();
            let key = fixtures().package_key(product).unwrap();
            let (accepted, report) = check_signature(&key, &rpm);
            assert!(accepted, "{report}");
            assert!(report.contains("RSA/SHA256 Signature"), "{report}");
            let other = if product == Product::Tyk {
                Product::Acme
            } else {
                Product::Tyk
            };
            let (accepted, _) = check_signature(&fixtures().package_key(other).unwrap(), &rpm);
            assert!(!accepted, "another vendor's key must not do for {package}");
        }
    }
}

#[test]
fn variants_share_a_nevra_and_differ_in_content() {
    let key = fixtures().package_key(Product::Tyk).unwrap();
    let original = gateway("5.3.1", "el8");
    let bytes = std::fs::read(&original).unwrap();
    for variant in [Variant::Repushed, Variant::Unsigned, Variant::ForeignKey] {
        let rpm = fixtures().variant(variant);
        assert_eq!(query(&rpm, &[]), query(&original, &[]));
        assert_ne!(std::fs::read(&rpm).unwrap(), bytes, "{variant:?}");
        let (accepted, report) = check_signature(&key, &rpm);
        let signed_by_vendor = accepted && report.contains("Signature");
        assert_eq!(
            signed_by_vendor,
            variant == Variant::Repushed,
            "{variant:?}: {report}"
        );
    }
    let stranger = fixtures().stranger_key().unwrap();
    assert!(check_signature(&stranger, &fixtures().variant(Variant::ForeignKey)).0);
    let built = |rpm| query(rpm, &["--qf", "%{BUILDTIME}"]);
    assert_ne!(
        built(&fixtures().variant(Variant::Repushed)),
        built(&original)
    );
}

#[test]
fn no_relations_no_dist_tag_and_a_gzip_payload() {
    for (package, version) in [("tyk-gateway", "5.3.0"), ("tyk-dashboard", "5.3.0")] {
        let rpm = fixtures().rpm(package, version, "el8", "x86_64").unwrap();
        let requires = query(&rpm, &["--requires"]);
        assert!(
            requires.lines().all(|line| line.starts_with("rpmlib(")),
            "{requires}"
        );
        let rest = query(
            &rpm,
            &["--conflicts", "--obsoletes", "--recommends", "--suggests"],
        );
        assert_eq!(rest, "");
        let header = "%{NVRA} %{RELEASE} %{EPOCH} %{PAYLOADCOMPRESSOR} %{PAYLOADFORMAT}";
        assert_eq!(
            query(&rpm, &["--qf", header]),
            format!("{package}-{version}-1.x86_64 1 (none) gzip cpio")
        );
        assert_eq!(query(&rpm, &["--qf", "%{FILEDIGESTALGO}"]), "8");
    }
}

#[test]
fn exactly_one_file_is_config_noreplace() {
    let configs = [
        ("tyk-gateway", "5.3.0", "/opt/tyk-gateway/tyk.conf"),
        (
            "tyk-dashboard",
            "5.3.0",
            "/opt/tyk-dashboard/tyk_analytics.conf",
        ),
        ("tyk-pump", "1.9.0", "/opt/tyk-pump/pump.conf"),
        ("relayd", "2.1.0", "/etc/relayd/relayd.json"),
    ];
    for (package, version, config) in configs {
        let rpm = fixtures().rpm(package, version, "el8", "x86_64").unwrap();
        assert_eq!(query(&rpm, &["--configfiles"]).trim(), config);
        let flags = query(&rpm, &["--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]"]);
        let flagged: Vec<&str> = flags.lines().filter(|line| !line.ends_with(' ')).collect();
        assert_eq!(
            flagged,
            [format!("{config} cn")],
            "c is config, n is noreplace"
        );
    }
}

#[test]
fn one_nevra_two_builds_in_el7_and_el8() {
    for (package, program) in [
        ("tyk-gateway", "/opt/tyk-gateway/tyk"),
        ("tyk-dashboard", "/opt/tyk-dashboard/tyk-analytics"),
    ] {
        let [el7, el8, el9] = ["el7", "el8", "el9"]
            .map(|distro| fixtures().rpm(package, "5.0.11", distro, "x86_64").unwrap());
        assert_eq!(el7.file_name(), el8.file_name());
        assert_eq!(el8, el9);
        assert_eq!(
            query(&el7, &["--qf", "%{NEVRA}"]),
            query(&el8, &["--qf", "%{NEVRA}"])
        );
        let built = |rpm| query(rpm, &["--qf", "%{BUILDTIME}"]);
        assert_ne!(built(&el7), built(&el8));
        assert_ne!(digest(&dump(&el7), program), digest(&dump(&el8), program));
    }
}

#[test]
fn versions_are_where_the_vendor_has_them() {
    assert!(
        fixtures()
            .rpm("tyk-gateway", "5.2.5", "el7", "x86_64")
            .is_err()
    );
    assert!(
        fixtures()
            .rpm("tyk-dashboard", "5.2.4", "el7", "aarch64")
            .is_err()
    );
    assert_eq!(gateway("5.2.5", "el8"), gateway("5.2.5", "el9"));
    assert_eq!(gateway("5.3.0", "el7"), gateway("5.3.0", "el9"));
    assert!(
        fixtures()
            .rpm("tyk-gateway", "5.3.9", "el8", "x86_64")
            .is_err()
    );
}

#[test]
fn defaults_and_plain_files_change_between_lines() {
    let [v52, v53, v58] = ["5.2.5", "5.3.0", "5.8.0"].map(|version| dump(&gateway(version, "el8")));
    let config = "/opt/tyk-gateway/tyk.conf";
    assert_ne!(digest(&v52, config), digest(&v53, config));
    assert_ne!(
        digest(&v53, config),
        digest(&v58, config),
        "so that .rpmnew appears"
    );
    for plain in ["policies/policies.json", "templates/error.json"] {
        let plain = format!("/opt/tyk-gateway/{plain}");
        assert_ne!(digest(&v52, &plain), digest(&v53, &plain), "{plain}");
        assert_eq!(digest(&v53, &plain), digest(&v58, &plain), "{plain}");
    }
    let appears = "/opt/tyk-gateway/templates/monitor_template.json";
    let disappears = "/opt/tyk-gateway/templates/breaker_webhook.json";
    assert!(!v52.contains_key(appears) && v53.contains_key(appears));
    assert!(v52.contains_key(disappears) && !v53.contains_key(disappears));
    // Patches of a line differ in the program, not in the default configuration.
    let patch = dump(&gateway("5.3.1", "el8"));
    assert_eq!(digest(&v53, config), digest(&patch, config));
    assert_ne!(
        digest(&v53, "/opt/tyk-gateway/tyk"),
        digest(&patch, "/opt/tyk-gateway/tyk")
    );
}

#[test]
fn links_units_and_init_scripts_are_in_place() {
    let files = dump(&gateway("5.3.0", "el8"));
    let link = &files["/opt/tyk"];
    assert!(
        link[4].starts_with("012") && link[10] == "/opt/tyk-gateway",
        "{link:?}"
    );
    assert_eq!(files["/opt/tyk-gateway/tyk"][4], "0100755");
    assert_eq!(files["/etc/init.d/tyk-gateway"][4], "0100755");
    let unit = "/lib/systemd/system/tyk-gateway.service";
    let copy = "/opt/tyk-gateway/install/inits/systemd/system/tyk-gateway.service";
    assert_eq!(digest(&files, unit), digest(&files, copy));
}

#[test]
fn both_architectures_exist() {
    let rpm = fixtures()
        .rpm("tyk-pump", "1.9.0", "el7", "aarch64")
        .unwrap();
    assert_eq!(query(&rpm, &["--qf", "%{ARCH} %{OS}"]), "aarch64 linux");
}

/// Order as rpm sees it, which is not alphabetical.
#[test]
fn rpm_orders_the_versions() {
    let compare = |left: &str, right: &str| {
        stdout(
            "rpm",
            &[
                "--eval",
                &format!("%{{lua:print(rpm.vercmp('{left}', '{right}'))}}"),
            ],
        )
    };
    assert_eq!(compare("5.0.11", "5.2.4").trim(), "-1");
    assert_eq!(compare("1.12.0", "1.9.0").trim(), "1");
}
