//! The bundle manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifests::bundle::{BundleManifest, Role};
use manifests::format::{header_for, read_header};

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = BundleManifest::parse(bytes) else {
        return;
    };
    let written = fuzz::assert_round_trip(&manifest);
    assert_eq!(BundleManifest::parse(&written).unwrap(), manifest);
    for entry in &manifest.entries {
        if let Ok(header) = header_for(&entry.path, entry.size, manifest.timestamp) {
            let claim = read_header(&header).unwrap();
            assert_eq!((claim.path, claim.size), (entry.path.clone(), entry.size));
        }
    }
    // Every use of every package is found again, once per listed target that it fits.
    for target in &manifest.targets {
        let found = Role::ALL.map(|role| manifest.rpms_for(target, role).count());
        let uses = manifest.rpms.iter().flat_map(|rpm| &rpm.uses);
        let fits = uses.filter(|a| a.distro == target.distro && a.arch == target.arch);
        assert_eq!(found.iter().sum::<usize>(), fits.count());
    }
});
