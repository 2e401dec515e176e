//! SBOMs and provenance, judged by the validators that others use, and sums by `sha256sum`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::evidence::bundle::{document, unpacked};

/// Pinned, so that a verdict does not change by itself.
const VALIDATORS: [&str; 4] = [
    "cyclonedx-python-lib[json-validation]==11.12.0",
    "spdx-tools==0.8.5",
    "in-toto-attestation==0.9.3",
    "packageurl-python==0.17.6",
];
const JUDGE: &str = include_str!("judge.py");

fn must(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// A Python with the validators, made once in the lab's cache.
fn python() -> PathBuf {
    let cache = std::env::var_os("AIRGAP_LAB_CACHE").map_or_else(
        || PathBuf::from("/var/cache/airgap-bundle-lab"),
        PathBuf::from,
    );
    let cache = cache.join("evidence");
    fs::create_dir_all(&cache).unwrap();
    let lock = File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    let venv = cache.join("validators");
    let (program, list) = (venv.join("bin/python"), venv.join("installed.txt"));
    let wanted = VALIDATORS.join("\n");
    if fs::read_to_string(&list).ok().as_ref() != Some(&wanted) {
        must(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        );
        must(
            Command::new(&program)
                .args(["-m", "pip", "install", "--quiet"])
                .arg("--disable-pip-version-check")
                .args(VALIDATORS),
        );
        fs::write(&list, wanted).unwrap();
    }
    program
}

/// Runs one judgement of `judge.py`.
fn judge(what: &str, file: &Path) -> Result<String, String> {
    let output = Command::new(python())
        .args(["-c", JUDGE, what])
        .arg(file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

#[test]
fn public_validators_accept_every_document() {
    for (what, name) in [
        ("cyclonedx", "sbom.cdx.json"),
        ("spdx", "sbom.spdx.json"),
        ("in-toto", "provenance.intoto.json"),
    ] {
        let verdict = judge(what, &document(name));
        assert!(verdict.is_ok(), "{name}: {verdict:?}");
    }
}

/// Without these refusals the test above would prove nothing.
#[test]
fn the_validators_refuse_documents_that_are_wrong() {
    let dir = tempfile::tempdir().unwrap();
    for (what, name, good, bad) in [
        ("cyclonedx", "sbom.cdx.json", "\"SHA-256\"", "\"SHA-257\""),
        (
            "cyclonedx",
            "sbom.cdx.json",
            "pkg:rpm/tyk/",
            "pkg:rpm/Tyk gateway/",
        ),
        ("spdx", "sbom.spdx.json", "NOASSERTION", "NO IDEA"),
        ("spdx", "sbom.spdx.json", "SPDXRef-Bundle", "Bundle"),
        (
            "in-toto",
            "provenance.intoto.json",
            "Statement/v1",
            "Statement/v7",
        ),
        (
            "in-toto",
            "provenance.intoto.json",
            "\"resolvedDependencies\"",
            "\"resolved\"",
        ),
    ] {
        let text = fs::read_to_string(document(name)).unwrap();
        let spoiled = text.replace(good, bad);
        assert_ne!(text, spoiled, "{name} has no {good}");
        let file = dir.path().join(name);
        fs::write(&file, spoiled).unwrap();
        assert!(judge(what, &file).is_err(), "{name} with {bad}");
    }
}

#[test]
fn stock_tools_check_the_sums_and_the_page_beside_is_the_one_inside() {
    let said = must(
        Command::new("sha256sum")
            .args(["-c", "SHA256SUMS"])
            .current_dir(unpacked()),
    );
    assert!(said.contains("installer/x86_64/install: OK"), "{said}");
    let beside = fs::read(unpacked().join("bundle.review.html")).unwrap();
    assert!(beside == fs::read(document("review.html")).unwrap());
}

#[test]
fn provenance_names_every_rpm_by_the_digest_that_sha256sum_finds() {
    let text = fs::read_to_string(document("provenance.intoto.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&text).unwrap();
    let subjects = statement["subject"].as_array().unwrap();
    assert!(subjects.len() > 6, "{subjects:?}");
    for subject in subjects {
        let path = unpacked().join(subject["name"].as_str().unwrap());
        let sum = must(Command::new("sha256sum").arg(&path));
        let digest = subject["digest"]["sha256"].as_str().unwrap();
        assert!(sum.starts_with(digest), "{subject}: {sum}");
    }
    assert!(!text.contains('@') || !text.contains("://u:"), "{text}");
}
