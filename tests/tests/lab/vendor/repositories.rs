//! The repositories on disk, judged by gpg, dnf and the checksum tools.

use std::path::Path;
use std::process::{Command, Stdio};

use lab::vendor::{Fixtures, Profile, PublicKey};

use crate::vendor::support::{fixtures, output, stdout};

const REPOS: [&str; 5] = [
    "tyk-gateway",
    "tyk-dashboard",
    "tyk-pump",
    "acme-relay",
    "acme-base",
];

/// Whether `gpgv` accepts `repomd.xml` when only `key` is known.
fn metadata_signed_by(key: &PublicKey, leaf: &Path) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let ring = dir.path().join("ring.gpg");
    let repomd = leaf.join("repodata/repomd.xml");
    stdout(
        "gpg",
        &[
            "--homedir",
            dir.path().to_str().unwrap(),
            "--batch",
            "--yes",
            "--dearmor",
            "-o",
            ring.to_str().unwrap(),
            key.file.to_str().unwrap(),
        ],
    );
    let signature = repomd.with_extension("xml.asc");
    let paths = [&ring, &signature, &repomd].map(|path| path.to_str().unwrap());
    output("gpgv", &["--keyring", paths[0], paths[1], paths[2]])
        .status
        .success()
}

#[test]
fn every_repository_is_signed_by_its_own_key() {
    for repo in REPOS {
        let key = fixtures().metadata_key(repo).unwrap();
        let other = REPOS.iter().find(|other| **other != repo).unwrap();
        for distro in Fixtures::DISTROS {
            let leaf = fixtures()
                .repo_dir(Profile::Good, repo, distro, "x86_64")
                .unwrap();
            assert!(metadata_signed_by(&key, &leaf), "{repo} {distro}");
            assert!(!metadata_signed_by(
                &fixtures().metadata_key(other).unwrap(),
                &leaf
            ));
        }
    }
}

#[test]
fn fingerprints_are_the_keys() {
    let key = fixtures().metadata_key("tyk-pump").unwrap();
    assert_eq!(key.fingerprint.len(), 40);
    let home = tempfile::tempdir().unwrap();
    let shown = stdout(
        "gpg",
        &[
            "--homedir",
            home.path().to_str().unwrap(),
            "--batch",
            "--with-colons",
            "--show-keys",
            key.file.to_str().unwrap(),
        ],
    );
    assert!(
        shown.contains(&format!("fpr:::::::::{}:", key.fingerprint)),
        "{shown}"
    );
}

/// packagecloud's metadata keys sign themselves with SHA-1; package keys do not.
#[test]
fn only_metadata_keys_have_a_sha1_self_signature() {
    let packets = |key: &PublicKey| stdout("gpg", &["--list-packets", key.file.to_str().unwrap()]);
    let metadata = packets(&fixtures().metadata_key("tyk-gateway").unwrap());
    assert!(metadata.contains("digest algo 2,"), "{metadata}");
    let package = packets(&fixtures().package_key(lab::vendor::Product::Tyk).unwrap());
    assert!(package.contains("digest algo 8,"), "{package}");
}

#[test]
fn packages_have_sha1_checksums_that_are_true() {
    let leaf = fixtures()
        .repo_dir(Profile::Good, "tyk-gateway", "el8", "x86_64")
        .unwrap();
    let primary = stdout(
        "gzip",
        &[
            "-dc",
            leaf.join("repodata/primary.xml.gz").to_str().unwrap(),
        ],
    );
    assert_eq!(
        primary
            .matches("<checksum type=\"sha1\" pkgid=\"YES\">")
            .count(),
        7
    );
    for version in [
        "5.0.11", "5.2.4", "5.2.5", "5.3.0", "5.3.1", "5.3.2", "5.8.0",
    ] {
        let file = format!("tyk-gateway-{version}-1.x86_64.rpm");
        let sum = stdout("sha1sum", &[leaf.join(&file).to_str().unwrap()]);
        let entry = primary
            .split("<package ")
            .find(|entry| entry.contains(&file))
            .unwrap();
        assert!(entry.contains(sum.split(' ').next().unwrap()), "{file}");
    }
}

#[test]
fn dnf_reads_what_each_distribution_gets() {
    let list = |profile, repo: &str, distro| {
        let leaf = fixtures()
            .repo_dir(profile, repo, distro, "x86_64")
            .unwrap();
        repoquery(
            &format!("file://{}", leaf.display()),
            &fixtures().metadata_key(repo).unwrap(),
        )
    };
    let names = |package: &str, versions: &[&str]| -> Vec<String> {
        versions
            .iter()
            .map(|version| format!("{package}-{version}-1.x86_64"))
            .collect()
    };
    assert_eq!(
        list(Profile::Good, "tyk-gateway", "el7"),
        names(
            "tyk-gateway",
            &["5.0.11", "5.3.0", "5.3.1", "5.3.2", "5.8.0"]
        )
    );
    assert_eq!(
        list(Profile::Good, "tyk-dashboard", "el9"),
        names(
            "tyk-dashboard",
            &[
                "5.0.11", "5.2.4", "5.2.5", "5.3.0", "5.3.1", "5.3.2", "5.8.0"
            ]
        )
    );
    assert_eq!(
        list(Profile::Good, "tyk-pump", "el7"),
        names("tyk-pump", &["1.12.0", "1.8.2", "1.8.3", "1.9.0"])
    );
    let bad = list(Profile::Bad, "tyk-gateway", "el8");
    assert_eq!(bad.len(), 21);
    assert!(bad.contains(&"tyk-gateway-5.4.9-1.x86_64".to_owned()));
    assert_eq!(list(Profile::Good, "acme-relay", "el8").len(), 6);
}

/// What dnf finds in a repository whose metadata signature it checks, in order of names.
pub(crate) fn repoquery(url: &str, key: &PublicKey) -> Vec<String> {
    let cache = tempfile::tempdir().unwrap();
    let output = Command::new("dnf")
        .args([
            "--quiet",
            "--assumeyes",
            "--disablerepo=*",
            "--forcearch=x86_64",
        ])
        .arg(format!("--repofrompath=lab,{url}"))
        .arg("--setopt=lab.repo_gpgcheck=1")
        .arg(format!("--setopt=lab.gpgkey=file://{}", key.file.display()))
        .arg(format!("--setopt=cachedir={}", cache.path().display()))
        .arg(format!("--setopt=logdir={}", cache.path().display()))
        .args(["repoquery", "--qf", "%{name}-%{version}-%{release}.%{arch}"])
        .env("HOME", cache.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut names: Vec<String> = text
        .lines()
        .filter(|line| line.ends_with("x86_64"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}
