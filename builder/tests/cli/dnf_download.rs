//! The closure beside `dnf download --resolve`, on hosts that have some of the packages already.
#![expect(
    clippy::disallowed_methods,
    reason = "a test lays out repositories and hosts, and asks dnf and rpm"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use manifests::closure::{Index, Offer, System, close};
use manifests::host_inventory::HostPackage;
use manifests::nevra::{Arch, Nevra};
use manifests::package_files::Dependency;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::oracle::{has_dnf, publish, repository, seed};

const CASES: usize = 30;

/// Chooses what a host has: some of the packages, one version of each, without dependencies.
fn installed(rng: &mut StdRng, offers: &[Offer]) -> Vec<Offer> {
    let mut found: Vec<Offer> = Vec::new();
    for offer in offers.iter().filter(|offer| offer.nevra.name() != "root") {
        let is_there = found
            .iter()
            .any(|other| other.nevra.name() == offer.nevra.name());
        if !is_there && rng.gen_bool(0.25) {
            let mut offer = offer.clone();
            offer.capabilities.requires.clear();
            offer.capabilities.conflicts.clear();
            found.push(offer);
        }
    }
    found
}

/// Makes a host of a directory: an rpm database with these packages.
fn lay_out(root: &Path, scratch: &Path, installed: &[Offer]) {
    std::fs::create_dir_all(scratch).unwrap();
    let mut install = Command::new("rpm");
    // Where a distribution keeps the database, dnf looks for it too.
    install.args(["--root", root.to_str().unwrap()]);
    install.args(["-i", "--justdb", "--nodeps", "--nosignature", "--noscripts"]);
    std::fs::create_dir_all(root).unwrap();
    for offer in installed {
        let nevra = &offer.nevra;
        let evr = nevra.evr();
        let mut package =
            rpm::PackageBuilder::new(nevra.name(), evr.version(), "MIT", "x86_64", "A test");
        package.release(evr.release());
        for provided in &offer.capabilities.provides {
            // The builder adds the package's own name by itself.
            if provided.name != nevra.name() {
                package.provides(dependency(provided));
            }
        }
        for file in &offer.capabilities.files {
            let options = rpm::FileOptions::new(file);
            package.with_file_contents(b"x", options).unwrap();
        }
        let path = scratch.join(nevra.file_name());
        let mut file = std::fs::File::create(&path).unwrap();
        package.build().unwrap().write(&mut file).unwrap();
        install.arg(path);
    }
    if !installed.is_empty() {
        let output = install.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

fn dependency(of: &Dependency) -> rpm::Dependency {
    match of.comparison.as_str() {
        "" => rpm::Dependency::any(&of.name),
        "=" => rpm::Dependency::eq(&of.name, &of.version),
        other => panic!("packages of the cases offer nothing {other}"),
    }
}

/// Asks `dnf download --resolve` what the host lacks; `None` if it finds no solution.
fn dnf(root: &Path, repository: &Path) -> Option<BTreeSet<String>> {
    let place = repository.display();
    let output: Output = Command::new("dnf")
        .args(["--quiet", "--releasever=9", "--forcearch=x86_64"])
        .arg(format!("--installroot={}", root.display()))
        .args([
            "--setopt=reposdir=/nowhere",
            "--setopt=install_weak_deps=False",
        ])
        .arg(format!("--repofrompath=case,file://{place}"))
        .args(["--repo=case", "download", "--resolve", "--url", "root"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        assert!(complaint.contains("roblem"), "{complaint}");
        return None;
    }
    let name = |line: &str| {
        let file = line.rsplit('/').next()?.strip_suffix(".rpm")?;
        Some(file.to_owned())
    };
    Some(text.lines().filter_map(name).collect())
}

/// What the builder would carry; `None` if it reports a problem.
fn ours(offers: &[Offer], installed: &[Offer]) -> Option<BTreeSet<String>> {
    let package = |offer: &Offer| HostPackage {
        nevra: offer.nevra.clone(),
        build_time: 1,
        header: String::new(),
        provides: offer
            .capabilities
            .provides
            .iter()
            .map(ToString::to_string)
            .collect(),
        conflicts: Vec::new(),
        paths: offer.capabilities.files.clone(),
    };
    let packages: Vec<HostPackage> = installed.iter().map(package).collect();
    let system = System::of(&packages, true);
    let index = Index::new(offers, Arch::X86_64, true);
    let root: Nevra = "root-1-1.x86_64".parse().unwrap();
    let closure = close(&index, &system, &[index.find(&root).unwrap()]);
    if !closure.missing.is_empty() || !closure.conflicts.is_empty() {
        return None;
    }
    let added = closure
        .added
        .into_iter()
        .map(|added| added.nevra.to_string());
    Some(added.chain([root.to_string()]).collect())
}

#[test]
fn what_a_host_lacks_is_what_dnf_download_resolves() {
    if !has_dnf() {
        return;
    }
    let seed = seed();
    let (dir, mut rng) = (tempfile::tempdir().unwrap(), StdRng::seed_from_u64(seed));
    let (mut same, mut none, mut others) = (0, 0, 0);
    for case in 0..CASES {
        let offers = repository(&mut rng);
        let installed = installed(&mut rng, &offers);
        let at = dir.path().join(case.to_string());
        let [root, published] = ["root", "repository"].map(|name| at.join(name));
        lay_out(&root, &at.join("scratch"), &installed);
        // dnf may go back to an older version, and does not list it; an upgrade never goes back.
        let is_older = |offer: &Offer| {
            let same = |other: &&Offer| other.nevra.name() == offer.nevra.name();
            let there = installed.iter().find(same);
            there.is_some_and(|there| there.nevra.evr() > offer.nevra.evr())
        };
        let mut listed = offers.clone();
        listed.retain(|offer| !is_older(offer));
        publish(&published, &listed);
        let names = || installed.iter().map(|offer| offer.nevra.to_string());
        let say = || {
            format!(
                "ORACLE_SEED={seed}, case {case}, on {:?}",
                names().collect::<Vec<_>>()
            )
        };
        match (ours(&offers, &installed), dnf(&root, &published)) {
            (None, None) => none += 1,
            (Some(ours), Some(theirs)) if ours == theirs => same += 1,
            (Some(ours), Some(theirs)) => {
                // Another choice is also correct if dnf, offered only those packages, takes all of
                // them.
                let mut chosen = listed.clone();
                chosen.retain(|offer| ours.contains(&offer.nevra.to_string()));
                let second = at.join("chosen");
                publish(&second, &chosen);
                assert_eq!(
                    dnf(&root, &second).as_ref(),
                    Some(&ours),
                    "{}: {theirs:?}",
                    say()
                );
                others += 1;
            }
            (None, Some(theirs)) => panic!("{}: ours has none, and dnf {theirs:?}", say()),
            (Some(ours), None) => panic!("{}: {ours:?}, and dnf has none", say()),
        }
    }
    println!("{same} the same, {others} another choice, {none} without");
    assert!(same > CASES / 4 && none > 0, "the cases say little");
}
