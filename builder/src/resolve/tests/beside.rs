//! Packages in lock step, and packages of other names.

use manifests::package_files::Dependency;

use super::*;

/// A product whose gateway has a package in lock step with it.
fn product() -> ProductManifest {
    let mut product = ProductManifest::from_toml(TYK).unwrap();
    product.components.retain(|one| one.name == "gateway");
    product.pins.clear();
    product.components[0].packages = vec!["tyk-base".to_owned()];
    product
}

fn published(gateway: &str, base: &str) -> Vec<RepoSnapshot> {
    let mut snapshots = index("el8", &[("tyk-gateway", gateway)]);
    let base = base.split_whitespace();
    let base = base.map(|version| package("tyk-base", "el8", version, 'b'));
    snapshots[0].packages.extend(base);
    snapshots
}

fn planned(
    product: &ProductManifest,
    snapshots: Vec<RepoSnapshot>,
    hosts: &[(&str, &str, &[&str])],
) -> Result<Vec<String>, ResolveError> {
    let described: Vec<_> = hosts
        .iter()
        .map(|(name, version, packages)| (*name, inventory(version, packages)))
        .collect();
    let fleet = fleet(&described).unwrap();
    let plan = resolve(&Inputs {
        product,
        index: &RepoIndex { snapshots },
        distros: super::super::distros(product, &["el8".to_owned()])?,
        archs: vec![Arch::X86_64],
        version: "5.3",
        from: &FromRule::Default,
        fleet: &fleet,
    })?;
    let named = |package: &PlannedPackage| format!("{:?} {}", package.uses[0].role, package.nevra);
    Ok(plan.packages.iter().map(named).collect())
}

#[test]
fn a_package_in_lock_step_has_the_version_of_its_component() {
    let both = published("5.2.5 5.3.0 5.3.1", "5.2.5 5.3.0 5.3.1 5.4.0");
    let found = planned(&product(), both.clone(), &[]).unwrap();
    for line in [
        "Target tyk-base-5.3.1-1.x86_64",
        "Previous tyk-base-5.3.0-1.x86_64",
        "Previous tyk-base-5.2.5-1.x86_64",
    ] {
        assert!(found.iter().any(|known| known == line), "{line}: {found:?}");
    }
    // A host gets back what it runs.
    let host: &[&str] = &["tyk-gateway-5.3.0-1.x86_64", "tyk-base-5.3.0-1.x86_64"];
    let found = planned(&product(), both, &[("a", "8", host)]).unwrap();
    assert_eq!(
        found,
        [
            "Target tyk-base-5.3.1-1.x86_64",
            "Target tyk-gateway-5.3.1-1.x86_64",
            "Previous tyk-base-5.3.0-1.x86_64",
            "Previous tyk-gateway-5.3.0-1.x86_64",
        ]
    );
    let missing = planned(&product(), published("5.3.1", "5.3.0"), &[]).unwrap_err();
    assert!(
        matches!(missing, ResolveError::NotInStep { .. }),
        "{missing}"
    );
}

#[test]
fn a_successor_carries_the_package_that_it_replaces() {
    let mut product = product();
    product.components[0].packages.clear();
    let mut snapshots = index("el8", &[("tyk-gateway", "5.3.1")]);
    snapshots[0].packages[0].obsoletes = vec![Dependency::parse("tyk-gw < 5.3")];
    let old = ["5.2.5", "5.3.0"].map(|version| package("tyk-gw", "el8", version, 'c'));
    snapshots[0].packages.extend(old);
    let wanted = [
        "Target tyk-gateway-5.3.1-1.x86_64",
        "Previous tyk-gw-5.2.5-1.x86_64",
    ];
    assert_eq!(planned(&product, snapshots.clone(), &[]).unwrap(), wanted);
    let host: &[&str] = &["tyk-gw-5.2.5-1.x86_64"];
    let found = planned(&product, snapshots.clone(), &[("a", "8", host)]);
    assert_eq!(found.unwrap(), wanted);
    // One that is not published any more cannot come back.
    let gone: &[&str] = &["tyk-gw-5.2.4-1.x86_64"];
    let refused = planned(&product, snapshots, &[("a", "8", gone)]).unwrap_err();
    assert!(matches!(refused, ResolveError::Unserved(_)), "{refused}");
}
