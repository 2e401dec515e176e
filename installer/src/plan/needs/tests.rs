use manifests::digest::Sha256;
use manifests::package_files::{About, PACKAGE_FILES_TYPE};
use manifests::product::{ProductManifest, TYK};

use super::*;
use crate::plan::{PlannedComponent, test_inventory, test_rpm};

/// An RPM with what it needs; it offers its name and version.
fn rpm(nevra: &str, needs: &[&str]) -> (BundledRpm, PackageFiles) {
    let nevra: Nevra = format!("{nevra}.x86_64").parse().unwrap();
    let sha256 = Sha256::of(nevra.to_string().as_bytes());
    let own = format!("{} = {}", nevra.name(), nevra.evr());
    let list = PackageFiles {
        document: PACKAGE_FILES_TYPE.to_owned(),
        rpm: sha256,
        nevra: nevra.clone(),
        about: About::default(),
        installed_bytes: 1,
        compressor: "gzip".to_owned(),
        digest_algorithm: "sha256".to_owned(),
        files: Vec::new(),
        requires: needs.iter().map(|text| Dependency::parse(text)).collect(),
        provides: vec![Dependency::parse(&own)],
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        scriptlets: Vec::new(),
    };
    (test_rpm::rpm(nevra, sha256), list)
}

/// What the first component's target, the first of the RPMs, needs of the others.
fn asked(rpms: &[(BundledRpm, PackageFiles)], host: &[&str], tools: &[&str]) -> Vec<String> {
    let carried: Vec<Carried<'_>> = rpms
        .iter()
        .enumerate()
        .map(|(at, (rpm, list))| Carried {
            rpm,
            list,
            role: if at == 0 {
                Role::Target
            } else {
                Role::Dependency
            },
        })
        .collect();
    let installed: Vec<(BundledRpm, PackageFiles)> =
        host.iter().map(|nevra| rpm(nevra, &[])).collect();
    let there: Vec<HostPackage> = installed
        .iter()
        .map(|(rpm, list)| {
            let role = Role::Target;
            Carried { rpm, list, role }.installed()
        })
        .collect();
    let inventory = test_inventory();
    let mut component = ProductManifest::from_toml(TYK)
        .unwrap()
        .components
        .remove(0);
    component.tools = tools.iter().map(|&tool| tool.to_owned()).collect();
    let planned = super::super::PlannedRpm {
        nevra: rpms[0].0.nevra.clone(),
        build_time: 1,
        sha256: rpms[0].0.sha256,
        size_bytes: 1,
        installed_bytes: 1,
        program_sha256: None,
        directories: Vec::new(),
    };
    let group = Group {
        name: "gateway".to_owned(),
        components: vec![PlannedComponent {
            component,
            from: Some(planned.clone()),
            to: Some(planned),
            config: Vec::new(),
            files: Vec::new(),
            turned: Vec::new(),
        }],
        packages: Vec::new(),
        extras: crate::plan::extras::Extras::default(),
    };
    let mut problems = Vec::new();
    let found = needed(&carried, &there, &inventory, &group, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let mut names: Vec<String> = found
        .into_iter()
        .map(|(one, reason)| format!("{} for {reason}", one.rpm.nevra))
        .collect();
    names.sort();
    names
}

#[test]
fn a_host_gets_what_it_lacks_and_nothing_that_others_need() {
    let rpms = [
        rpm("app-2-1", &["codec >= 2"]),
        rpm("codec-2-1", &["tables"]),
        rpm("tables-7-1", &[]),
        rpm("other-1-1", &[]),
    ];
    let codec = "codec-2-1.x86_64 for codec >= 2 of app-2-1.x86_64";
    let tables = "tables-7-1.x86_64 for tables of codec-2-1.x86_64";
    assert_eq!(asked(&rpms, &[], &[]), [codec, tables]);
    assert_eq!(asked(&rpms, &["codec-1-1", "tables-1-1"], &[]), [codec]);
    // Newer than carried is good enough.
    assert_eq!(asked(&rpms, &["codec-3-1"], &[]), [""; 0]);
}

#[test]
fn a_tool_comes_to_hosts_without_it_and_what_it_needs_with_it() {
    let rpms = [
        rpm("app-2-1", &[]),
        rpm("dump-1-1", &["libdump"]),
        rpm("libdump-1-1", &[]),
    ];
    let dump = "dump-1-1.x86_64 for a tool of Tyk Gateway";
    let lib = "libdump-1-1.x86_64 for libdump of dump-1-1.x86_64";
    assert_eq!(asked(&rpms, &[], &["dump"]), [dump, lib]);
    assert_eq!(asked(&rpms, &["dump-0-1"], &["dump"]), [""; 0]);
    assert_eq!(asked(&rpms, &[], &[]), [""; 0]);
}

#[test]
fn a_target_that_would_replace_another_package_is_refused() {
    let (bundled, mut list) = rpm("app-2-1", &[]);
    list.obsoletes = ["old < 3", "app < 2"].map(Dependency::parse).to_vec();
    let one = Carried {
        rpm: &bundled,
        list: &list,
        role: Role::Target,
    };
    let mut inventory = test_inventory();
    let group = Group {
        name: "app".to_owned(),
        components: Vec::new(),
        packages: Vec::new(),
        extras: crate::plan::extras::Extras::default(),
    };
    let count = |inventory: &Inventory| -> usize {
        let obsoletes = list.obsoletes.iter();
        obsoletes
            .map(|obsolete| replaced(inventory, &one, obsolete, &group).len())
            .sum()
    };
    for (nevra, expected) in [("app-1-1", 0), ("old-3-1", 0), ("old-2-1", 1)] {
        inventory.packages.push(crate::host::InstalledPackage {
            nevra: format!("{nevra}.x86_64").parse().unwrap(),
            build_time: 1,
            files: Vec::new(),
        });
        assert_eq!(count(&inventory), expected, "{nevra}");
    }
}
