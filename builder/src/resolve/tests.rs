mod beside;

use manifests::product::TYK;

use super::*;
use crate::checksum::Checksum;
use crate::explain::Explain as _;
use crate::hosts::tests::{fleet, inventory};
use crate::repo::openpgp::SignedBy;

/// Publishes the same versions for every repository name given as `repository=versions`.
fn index(distro: &str, published: &[(&str, &str)]) -> Vec<RepoSnapshot> {
    let snapshot = |(repository, versions): &(&str, &str)| RepoSnapshot {
        repository: (*repository).to_owned(),
        distro: distro.to_owned(),
        arch: Arch::X86_64,
        url: format!("https://host/{repository}/{distro}/")
            .parse()
            .unwrap(),
        revision: Some(7),
        signed_by: SignedBy {
            fingerprint: "A".repeat(40).parse().unwrap(),
            hash: "SHA256".to_owned(),
            created: 1,
            certification_hash: Some("SHA1".to_owned()),
        },
        repomd_sha256: manifests::digest::Sha256::of(b""),
        packages: versions
            .split_whitespace()
            .map(|version| package(repository, distro, version, 'a'))
            .collect(),
    };
    published.iter().map(snapshot).collect()
}

fn package(name: &str, distro: &str, version: &str, digit: char) -> RepoPackage {
    let nevra: manifests::nevra::Nevra = format!("{name}-{version}-1.x86_64").parse().unwrap();
    RepoPackage {
        obsoletes: Vec::new(),
        url: format!("https://host/{name}/{distro}/{}", nevra.file_name())
            .parse()
            .unwrap(),
        size: 1,
        checksum: Checksum::new("sha256", &digit.to_string().repeat(64)).unwrap(),
        nevra,
    }
}

const GATEWAY: &str = "5.0.9 5.0.10 5.2.4 5.2.5 5.3.0 5.3.1 5.3.9 5.3.10 5.3.11~rc1 5.4.0";
const PUMP: &str = "1.8.2 1.8.3 1.9.0 1.12.0 1.13.3";

fn el8() -> Vec<RepoSnapshot> {
    let all = [
        ("tyk-gateway", GATEWAY),
        ("tyk-dashboard", GATEWAY),
        ("tyk-pump", PUMP),
    ];
    index("el8", &all)
}

/// Plans for hosts, each with its system and packages.
fn plan_for_hosts(
    snapshots: Vec<RepoSnapshot>,
    hosts: &[(&str, &str, &[&str])],
) -> Result<BuildPlan, ResolveError> {
    let product = ProductManifest::from_toml(TYK).unwrap();
    let described: Vec<_> = hosts
        .iter()
        .map(|(name, version, packages)| (*name, inventory(version, packages)))
        .collect();
    let fleet = fleet(&described).unwrap();
    resolve(&Inputs {
        product: &product,
        index: &RepoIndex { snapshots },
        distros: super::distros(&product, &fleet.distros())?,
        archs: fleet.archs(),
        version: "5.3",
        from: &FromRule::Default,
        fleet: &fleet,
    })
}

/// The same packages for two distributions.
fn both() -> Vec<RepoSnapshot> {
    let mut both = el8();
    let all = [
        ("tyk-gateway", GATEWAY),
        ("tyk-dashboard", GATEWAY),
        ("tyk-pump", PUMP),
    ];
    both.extend(index("el9", &all));
    both
}

#[test]
fn hosts_get_back_what_they_run_and_nothing_they_have() {
    let plan = plan_for_hosts(
        el8(),
        &[
            (
                "a",
                "8",
                &["tyk-gateway-5.0.9-1.x86_64", "tyk-pump-1.9.0-1.x86_64"],
            ),
            ("b", "8.9", &["tyk-gateway-5.3.0-1.x86_64"]),
            (
                "c",
                "8",
                &["tyk-gateway-5.3.10-1.x86_64", "bash-5-1.x86_64"],
            ),
        ],
    )
    .unwrap();
    let (target, previous) = chosen(&plan, "gateway");
    assert_eq!(target, ["5.3.10"]);
    assert_eq!(previous, ["5.3.0", "5.0.9"]);
    for component in ["pump", "dashboard"] {
        let nothing = (Vec::<String>::new(), Vec::new());
        assert_eq!(chosen(&plan, component), nothing, "{component}");
    }
    let said = |text: &str| plan.notes.iter().any(|note| note == text);
    assert!(
        said("c has tyk-gateway-5.3.10-1.x86_64 already"),
        "{:?}",
        plan.notes
    );
    assert!(
        said("a has tyk-pump-1.9.0-1.x86_64 already"),
        "{:?}",
        plan.notes
    );
}

#[test]
fn each_distribution_serves_its_own_hosts() {
    let both = both();
    let plan = plan_for_hosts(
        both,
        &[
            ("a", "8", &["tyk-gateway-5.2.4-1.x86_64"]),
            ("b", "9", &["tyk-gateway-5.3.10-1.x86_64"]),
            ("c", "9", &["tyk-pump-1.8.2-1.x86_64"]),
        ],
    )
    .unwrap();
    let uses: Vec<String> = plan
        .packages
        .iter()
        .flat_map(|package| {
            package
                .uses
                .iter()
                .map(move |u| format!("{} {}", u.distro, package.nevra))
        })
        .collect();
    let expected = [
        "el8 tyk-gateway-5.3.10-1.x86_64",
        "el9 tyk-pump-1.9.0-1.x86_64",
        "el8 tyk-gateway-5.2.4-1.x86_64",
        "el9 tyk-pump-1.8.2-1.x86_64",
    ];
    assert_eq!(uses, expected);
}

#[test]
fn hosts_that_cannot_be_served_are_named_all_at_once() {
    let error = plan_for_hosts(
        el8(),
        &[
            ("gone", "8", &["tyk-gateway-5.2.0-1.x86_64"]),
            ("newer", "8", &["tyk-gateway-5.4.0-1.x86_64"]),
            (
                "twice",
                "8",
                &["tyk-pump-1.8.2-1.x86_64", "tyk-pump-1.8.3-1.x86_64"],
            ),
            ("other", "8", &["bash-5-1.x86_64"]),
        ],
    )
    .unwrap_err();
    let explained = error.explain();
    for word in [
        "gone runs tyk-gateway-5.2.0-1.x86_64",
        "newer runs tyk-gateway-5.4.0-1.x86_64",
        "twice has pump",
        "other runs no package",
    ] {
        assert!(explained.why.contains(word), "{explained:?}");
    }
    assert!(explained.next.contains("--repo-url"), "{explained:?}");
    let current: &[&str] = &["tyk-gateway-5.3.10-1.x86_64"];
    let error = plan_for_hosts(el8(), &[("a", "8", current)]).unwrap_err();
    assert!(matches!(error, ResolveError::NothingToDo(_)), "{error}");
}

fn plan_for(
    snapshots: Vec<RepoSnapshot>,
    distros: &[&str],
    version: &str,
    from: &[&str],
) -> Result<BuildPlan, ResolveError> {
    let product = ProductManifest::from_toml(TYK).unwrap();
    let index = RepoIndex { snapshots };
    let names: Vec<String> = distros.iter().map(ToString::to_string).collect();
    let from: Vec<String> = from.iter().map(ToString::to_string).collect();
    resolve(&Inputs {
        product: &product,
        index: &index,
        distros: super::distros(&product, &names)?,
        archs: vec![Arch::X86_64],
        version,
        from: &FromRule::parse(&from).unwrap(),
        fleet: &Fleet::default(),
    })
}

fn chosen(plan: &BuildPlan, component: &str) -> (Vec<String>, Vec<String>) {
    let of = |role| {
        let packages = plan.packages_for(&plan.targets[0], role);
        let own = packages.iter().filter(|(u, _)| u.component == component);
        own.map(|(_, p)| p.nevra.evr().version().to_owned())
            .collect()
    };
    (of(Role::Target), of(Role::Previous))
}

#[test]
fn the_newest_patch_of_the_line_and_two_ways_back() {
    let plan = plan_for(el8(), &["el8"], "5.3", &[]).unwrap();
    let (target, previous) = chosen(&plan, "gateway");
    assert_eq!(target, ["5.3.10"]);
    assert_eq!(previous, ["5.3.9", "5.2.5"]);
    // The pin of 5.3.10 is pump 1.9.0, whose line has no earlier patch.
    let (target, previous) = chosen(&plan, "pump");
    assert_eq!(target, ["1.9.0"]);
    assert_eq!(previous, ["1.8.3"]);
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn exact_versions_and_from_values() {
    let plan = plan_for(el8(), &["el8"], "5.3.1", &["5.2.4", "pump=1.8.2"]).unwrap();
    assert_eq!(chosen(&plan, "dashboard").0, ["5.3.1"]);
    assert_eq!(chosen(&plan, "dashboard").1, ["5.2.4"]);
    let plan = plan_for(el8(), &["el8"], "5.3", &["any"]).unwrap();
    assert_eq!(
        chosen(&plan, "gateway").1,
        ["5.3.9", "5.3.1", "5.3.0", "5.2.5", "5.0.10"]
    );
}

#[test]
fn what_goes_with_a_previous_lead_is_carried_with_it() {
    let all = [
        ("tyk-gateway", "5.2.5 5.3.0 5.3.12 5.3.13"),
        ("tyk-dashboard", "5.2.5 5.3.0 5.3.12 5.3.13"),
        ("tyk-pump", "1.8.3 1.9.0 1.9.1 1.12.0 1.12.1 1.13.0 1.13.3"),
    ];
    let pumps = |from: &[&str]| {
        let plan = plan_for(index("el8", &all), &["el8"], "5.3.13", from).unwrap();
        assert_eq!(chosen(&plan, "pump").0, ["1.13.3"]);
        chosen(&plan, "pump").1
    };
    // 5.3.12 is carried and goes with 1.12.0, although its line has a newer patch.
    assert_eq!(pumps(&[]), ["1.13.0", "1.12.1", "1.12.0"]);
    // 5.3.0 goes with 1.9.0.
    let any = ["1.13.0", "1.12.1", "1.12.0", "1.9.1", "1.9.0", "1.8.3"];
    assert_eq!(pumps(&["any"]), any);
    assert_eq!(pumps(&["5.3.0"]), ["1.9.0"]);
    assert_eq!(pumps(&["gateway=5.3.0"]), ["1.13.0", "1.12.1", "1.9.0"]);
    assert_eq!(pumps(&["pump=1.8.3"]), ["1.12.0", "1.8.3"]);
}

#[test]
fn a_short_version_never_mixes_lines() {
    let published = |dashboard| {
        let all = [
            ("tyk-gateway", "5.2.5 5.3.9 5.3.10"),
            ("tyk-dashboard", dashboard),
            ("tyk-pump", PUMP),
        ];
        index("el8", &all)
    };
    let plan = plan_for(published("5.3.9 5.4.0"), &["el8"], "5", &[]).unwrap();
    assert_eq!(chosen(&plan, "gateway").0, ["5.3.10"]);
    assert_eq!(chosen(&plan, "dashboard").0, ["5.3.9"]);
    let error = plan_for(published("5.2.5 5.4.0"), &["el8"], "5", &[]).unwrap_err();
    assert!(matches!(error, ResolveError::NotPublished { .. }));
    assert!(error.to_string().contains("dashboard 5.3 "), "{error}");
    let error = plan_for(published("5.4.0"), &["el8"], "5.3", &[]).unwrap_err();
    assert!(error.to_string().contains("dashboard 5.3 "), "{error}");
}

#[test]
fn a_from_that_matches_nothing_is_refused() {
    for from in ["4.3", "5.4.0", "nope=1.0"] {
        let error = plan_for(el8(), &["el8"], "5.3", &[from]).unwrap_err();
        assert!(
            matches!(error, ResolveError::FromMatchesNothing(_)),
            "{from}"
        );
    }
}

#[test]
fn a_line_without_pin_takes_the_newest_and_says_so() {
    let plan = plan_for(el8(), &["el8"], "5.2", &[]).unwrap();
    assert_eq!(chosen(&plan, "pump").0, ["1.13.3"]);
    assert!(
        plan.notes.iter().any(|n| n.contains("pump")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn what_is_missing_is_named() {
    let error = plan_for(el8(), &["el8"], "7.7", &[]).unwrap_err().explain();
    assert!(error.why.contains("gateway 7.7"), "{error:?}");
    assert!(error.next.contains("5.3.10"), "{error:?}");
    let mut both = el8();
    let el7 = [
        ("tyk-gateway", "5.0.10"),
        ("tyk-dashboard", "5.0.10"),
        ("tyk-pump", PUMP),
    ];
    both.extend(index("el7", &el7));
    let error = plan_for(both, &["centos7"], "5.2", &[])
        .unwrap_err()
        .explain();
    assert!(
        error.why.contains("el7") && error.next.contains("el8"),
        "{error:?}"
    );
    let mut no_pump = el8();
    no_pump[2]
        .packages
        .retain(|p| p.nevra.evr().version() != "1.9.0");
    let error = plan_for(no_pump, &["el8"], "5.3", &[])
        .unwrap_err()
        .explain();
    for word in ["pump", "1.9.0", "1.12.0"] {
        assert!(error.why.contains(word), "{error:?}");
    }
    assert!(matches!(
        plan_for(el8(), &["debian12"], "5.3", &[]),
        Err(ResolveError::UnknownDistro { .. })
    ));
}

#[test]
fn two_files_of_one_name_are_refused_only_where_they_matter() {
    let mut twice = el8();
    twice[0]
        .packages
        .push(package("tyk-gateway", "el8", "5.3.10", 'b'));
    let error = plan_for(twice.clone(), &["el8"], "5.3", &[]).unwrap_err();
    assert!(matches!(error, ResolveError::Ambiguous { .. }), "{error}");
    assert!(plan_for(twice, &["el8"], "5.2", &[]).is_ok());
    let mut listed_twice = el8();
    listed_twice[0]
        .packages
        .push(package("tyk-gateway", "el8", "5.3.10", 'a'));
    assert!(plan_for(listed_twice, &["el8"], "5.3", &[]).is_ok());
}

#[test]
fn the_order_of_the_request_does_not_show() {
    let mut both = both();
    let one = plan_for(both.clone(), &["el8", "rocky9"], "5.3", &[]).unwrap();
    both.reverse();
    let two = plan_for(both, &["el9", "rocky8", "el8"], "5.3", &[]).unwrap();
    assert_eq!(one, two);
    // One file serves both distributions.
    let gateway = &one.packages[0];
    assert_eq!(
        (gateway.nevra.name(), gateway.uses.len()),
        ("tyk-gateway", 2)
    );
}
