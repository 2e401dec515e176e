use manifests::host_inventory::{
    INVENTORY_TYPE, Observed, OperatingSystem, Place, RpmFacts, Security,
};
use manifests::product::TYK;

use super::*;
use crate::output::Pending;

/// A host of a system, with these packages.
pub(crate) fn inventory(version_id: &str, packages: &[&str]) -> HostInventory {
    let package = |nevra: &&str| HostPackage {
        nevra: nevra.parse().unwrap(),
        build_time: 1,
        header: String::new(),
        provides: Vec::new(),
        conflicts: Vec::new(),
        paths: Vec::new(),
    };
    HostInventory {
        document: INVENTORY_TYPE.to_owned(),
        tool_version: crate::lock::tool_version(),
        taken: 1,
        name: None,
        product: "tyk".to_owned(),
        os: OperatingSystem {
            id: "rocky".to_owned(),
            version_id: version_id.to_owned(),
            pretty: String::new(),
            distro: None,
            arch: Some(Arch::X86_64),
            kernel: Observed::Unknown,
            merged_usr: true,
        },
        rpm: RpmFacts {
            version: "4.14.3".to_owned(),
            database: "bdb".to_owned(),
        },
        security: Security {
            crypto_policy: Observed::Absent,
            fips: false,
            selinux: Observed::Absent,
            fapolicyd: Observed::Absent,
        },
        packages: packages.iter().map(package).collect(),
        skipped: Vec::new(),
        configs: Vec::new(),
        services: Vec::new(),
        places: vec![Place {
            path: "/".to_owned(),
            filesystem: 1,
            free_bytes: 1 << 40,
            free_inodes: None,
            read_only: false,
        }],
    }
}

/// A fleet of named hosts.
pub(crate) fn fleet(hosts: &[(&str, HostInventory)]) -> Result<Fleet, HostsError> {
    let dir = tempfile::tempdir().unwrap();
    let write = |(name, inventory): &(&str, HostInventory)| {
        let path = dir.path().join(name);
        let bytes = serde_json::to_vec(inventory).unwrap();
        let file = Pending::with_bytes(&path, &bytes, 0o600);
        file.unwrap().commit().unwrap();
        path
    };
    let paths: Vec<_> = hosts.iter().map(write).collect();
    Fleet::read(&paths, &ProductManifest::from_toml(TYK).unwrap())
}

#[test]
fn hosts_are_known_by_their_system_and_one_file_is_one_host() {
    let el8 = inventory("8.9", &[]);
    let mut named = inventory("9.3", &[]);
    named.name = Some("web".to_owned());
    named.os.distro = Some("el7".to_owned());
    let fleet = fleet(&[("b", named), ("a", el8.clone()), ("c", el8)]).unwrap();
    let seen: Vec<(&str, &str)> = fleet
        .hosts()
        .iter()
        .map(|host| (host.label.as_str(), host.distro.as_str()))
        .collect();
    // What an inventory calls its distribution decides nothing.
    assert_eq!(seen, [("a", "el8"), ("web", "el9")]);
    assert_eq!(fleet.distros(), ["el8", "el9"]);
}

#[test]
fn hosts_of_another_system_and_contradictions_are_refused() {
    for change in [
        (|i| i.os.id = "debian".to_owned()) as fn(&mut HostInventory),
        |i| i.os.version_id = "5.11".to_owned(),
        |i| i.os.arch = None,
    ] {
        let mut other = inventory("8.9", &[]);
        change(&mut other);
        let error = fleet(&[("a", other)]).unwrap_err();
        assert!(matches!(error, HostsError::UnknownHost { .. }), "{error}");
    }
    let product = ProductManifest::from_toml(TYK).unwrap();
    let fleet = fleet(&[("a", inventory("8.9", &[]))]).unwrap();
    let (el8, el9) = (
        product.distro("el8").unwrap(),
        product.distro("el9").unwrap(),
    );
    assert!(fleet.check_named(&[], &[]).is_ok());
    assert!(fleet.check_named(&[el8], &[Arch::X86_64]).is_ok());
    for (distros, archs) in [
        (vec![el9], vec![]),
        (vec![el8, el9], vec![]),
        (vec![], vec![Arch::Aarch64]),
    ] {
        let error = fleet.check_named(&distros, &archs).unwrap_err();
        assert!(matches!(error, HostsError::Contradiction { .. }));
    }
}
