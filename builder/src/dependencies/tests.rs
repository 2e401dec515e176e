use manifests::closure::Capabilities;
use manifests::digest::Sha256;
use manifests::package_files::Dependency;

use super::*;
use crate::checksum::Checksum;
use crate::hosts::tests::{fleet, inventory};
use crate::hosts::{Fleet, Unfit};
use crate::repo::RepoSnapshot;
use crate::repo::openpgp::SignedBy;

/// A package with what it needs; it offers its name and version.
fn listed(nevra: &str, needs: &[&str]) -> (RepoPackage, Capabilities) {
    let nevra: Nevra = format!("{nevra}.x86_64").parse().unwrap();
    let own = format!("{} = {}", nevra.name(), nevra.evr());
    let capabilities = Capabilities {
        provides: vec![Dependency::parse(&own)],
        requires: needs.iter().map(|text| Dependency::parse(text)).collect(),
        ..Capabilities::default()
    };
    let package = RepoPackage {
        obsoletes: Vec::new(),
        url: format!("https://host/{}", nevra.file_name())
            .parse()
            .unwrap(),
        size: 1,
        checksum: Checksum::new("sha256", &"a".repeat(64)).unwrap(),
        nevra,
    };
    (package, capabilities)
}

fn repository(id: &str, listed: Vec<(RepoPackage, Capabilities)>) -> WholeRepo {
    let snapshot = RepoSnapshot {
        repository: id.to_owned(),
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        url: "https://host/".parse().unwrap(),
        revision: Some(1),
        signed_by: SignedBy {
            fingerprint: "A".repeat(40).parse().unwrap(),
            hash: "SHA256".to_owned(),
            created: 1,
            certification_hash: None,
        },
        repomd_sha256: Sha256::of(b""),
        packages: Vec::new(),
    };
    WholeRepo { snapshot, listed }
}

/// A plan of one target, which needs `more >= 2`, and `extra`, which no package needs.
fn repositories() -> [WholeRepo; 2] {
    let own = vec![listed("tyk-gateway-5.3.0-1", &["more >= 2"])];
    let base = vec![
        listed("more-1-1", &[]),
        listed("more-2-1", &["deep"]),
        listed("deep-1-1", &[]),
        listed("extra-7-1", &[]),
    ];
    [repository("tyk-gateway", own), repository("base", base)]
}

fn plan(repositories: &[WholeRepo]) -> BuildPlan {
    let target = Target {
        distro: "el8".to_owned(),
        os_ids: vec!["rocky".to_owned()],
        major: 8,
        arch: Arch::X86_64,
    };
    let mut plan = BuildPlan {
        product: "tyk".to_owned(),
        title: "Tyk".to_owned(),
        channel: "stable".to_owned(),
        version: "5.3".to_owned(),
        targets: vec![target],
        repositories: Vec::new(),
        packages: Vec::new(),
        notes: Vec::new(),
    };
    let gateway = &repositories[0].listed[0].0;
    plan.add(crate::plan::PlannedPackage {
        nevra: gateway.nevra.clone(),
        url: gateway.url.clone(),
        size: gateway.size,
        checksum: gateway.checksum.clone(),
        repository: "tyk-gateway".to_owned(),
        uses: vec![Use {
            distro: "el8".to_owned(),
            arch: Arch::X86_64,
            role: Role::Target,
            order: 0,
            component: "gateway".to_owned(),
        }],
    });
    plan
}

/// Closes and carries, for a host with these packages or for any; some packages are published no more.
fn carried(host: Option<&[&str]>, gone: &[&str]) -> (BuildPlan, Vec<Unfit>) {
    let mut repositories = repositories();
    let is_gone = |nevra: &Nevra| {
        gone.iter()
            .any(|start| nevra.to_string().starts_with(start))
    };
    for repository in &mut repositories {
        repository
            .listed
            .retain(|(package, _)| !is_gone(&package.nevra));
    }
    let mut plan = plan(&repositories);
    let hosts: Vec<_> = host
        .iter()
        .map(|installed| ("web", inventory("8.9", installed)))
        .collect();
    let fleet = if hosts.is_empty() {
        Fleet::default()
    } else {
        fleet(&hosts).unwrap()
    };
    let tools = [Tool {
        package: "extra".to_owned(),
        component: "gateway".to_owned(),
    }];
    let listing = Listing::take(&mut repositories, &plan.targets[0]);
    let found = close(
        &plan,
        &plan.targets[0],
        fleet.hosts().first(),
        &tools,
        &listing,
    );
    let unfit = carry(&mut plan, &[found], &repositories);
    (plan, unfit)
}

fn packages(plan: &BuildPlan) -> Vec<String> {
    let line = |package: &crate::plan::PlannedPackage| {
        format!("{} {}", package.uses[0].role.word(), package.nevra)
    };
    plan.packages.iter().map(line).collect()
}

#[test]
fn a_host_that_lacks_something_gets_it_and_what_that_needs() {
    let (plan, unfit) = carried(Some(&["tyk-gateway-5.2.0-1.x86_64"]), &[]);
    assert!(unfit.is_empty());
    assert_eq!(
        packages(&plan),
        [
            "target tyk-gateway-5.3.0-1.x86_64",
            "dependency deep-1-1.x86_64",
            "dependency extra-7-1.x86_64",
            "dependency more-2-1.x86_64"
        ]
    );
    let ids: Vec<&str> = plan.repositories.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["base", "tyk-gateway"]);
}

#[test]
fn what_a_dependency_replaces_is_carried_for_the_way_back() {
    let installed = [
        "tyk-gateway-5.2.0-1.x86_64",
        "more-1-1.x86_64",
        "extra-1-1.x86_64",
    ];
    let (plan, unfit) = carried(Some(&installed), &[]);
    assert!(unfit.is_empty());
    let found = packages(&plan);
    assert!(found.contains(&"previous-dependency more-1-1.x86_64".to_owned()));
    assert!(
        !found.iter().any(|line| line.contains("extra")),
        "a tool that is there stays"
    );
    // A repository that has forgotten it offers no way back.
    let (_, unfit) = carried(Some(&installed), &["more-1"]);
    let [Unfit { why, .. }] = &unfit[..] else {
        panic!("{unfit:?}")
    };
    assert!(why.starts_with("web: more-1-1.x86_64") && why.contains("no way back"));
}

#[test]
fn what_nothing_offers_stops_a_build_for_a_host_and_is_noted_for_others() {
    let (_, unfit) = carried(Some(&["tyk-gateway-5.2.0-1.x86_64"]), &["deep"]);
    assert!(
        unfit
            .iter()
            .any(|one| one.why.contains("nothing offers deep"))
    );
    let (plan, unfit) = carried(None, &["deep"]);
    assert!(unfit.is_empty());
    assert!(plan.notes.iter().any(|note| note.contains("deep")));
    // What was asked for by name is never only noted.
    let (_, unfit) = carried(None, &["deep", "extra"]);
    assert!(unfit[0].why.contains("nothing offers extra"));
}
