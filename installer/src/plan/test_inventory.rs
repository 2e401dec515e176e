//! An inventory for tests.

use std::collections::BTreeMap;

use manifests::nevra::Arch;

use crate::host::Identity;
use crate::inventory::Inventory;

/// Returns a host on which nothing was found.
pub(super) fn test_inventory() -> Inventory {
    Inventory {
        identity: Identity {
            os_id: "rocky".to_owned(),
            version_id: "8".to_owned(),
            pretty: String::new(),
            arch: Some(Arch::X86_64),
            rpm_version: "4.14.3".to_owned(),
            systemd: true,
            fips: false,
            crypto_policy: None,
        },
        packages: Vec::new(),
        disk: BTreeMap::new(),
        everything: Vec::new(),
        merged_usr: true,
        agents: Vec::new(),
        mounts: Vec::new(),
        clock: 1_800_000_000,
        links: BTreeMap::new(),
        remembered: crate::trust::sequence::Remembered::Nothing,
        is_elsewhere: false,
        left: BTreeMap::new(),
        idle: std::collections::BTreeSet::new(),
        stores: crate::stores::FoundStores::default(),
        services: BTreeMap::new(),
        extras: Vec::new(),
        headers: BTreeMap::new(),
    }
}
