//! Every flaw is there, is the requested one, and is in the requested place.

use std::path::Path;
use std::time::Duration;

use lab::vendor::http;
use lab::vendor::{Flaw, Variant, VendorOptions, rpm_file_name};

use crate::vendor::repositories::repoquery;
use crate::vendor::served::{
    LEAF, fetch, listed_sha1, metadata_signature_holds, primary, rpm, sha1, start, with_flaw,
};
use crate::vendor::support::{check_signature, fixtures, stdout};

#[test]
fn listed_but_missing() {
    let vendor = with_flaw(Flaw::ListedButMissing { file: rpm() });
    assert!(primary(&vendor).contains(&rpm()));
    assert_eq!(fetch(&vendor, &rpm()).status, 404);
    let other = rpm_file_name("tyk-gateway", "5.3.0", "x86_64");
    assert_eq!(fetch(&vendor, &other).status, 200);
}

#[test]
fn duplicate_nevra() {
    let vendor = with_flaw(Flaw::DuplicateNevra { file: rpm() });
    let primary = primary(&vendor);
    assert_eq!(primary.matches(&format!("href=\"{}\"", rpm())).count(), 2);
    let served = sha1(&fetch(&vendor, &rpm()).body);
    assert_eq!(
        primary.matches(&served).count(),
        1,
        "one of the two entries is true"
    );
    assert_ne!(
        listed_sha1(&primary, &rpm()),
        served,
        "and it is not the first"
    );
    assert!(metadata_signature_holds(&vendor));
}

#[test]
fn replaced_builds_agree_with_the_metadata() {
    for variant in [Variant::Repushed, Variant::Unsigned, Variant::ForeignKey] {
        let vendor = with_flaw(Flaw::Replaced(variant));
        let body = fetch(&vendor, &rpm()).body;
        assert_eq!(body, std::fs::read(fixtures().variant(variant)).unwrap());
        assert_eq!(listed_sha1(&primary(&vendor), &rpm()), sha1(&body));
        assert!(metadata_signature_holds(&vendor));
    }
}

#[test]
fn corrupted_rpms() {
    let check = |body: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("corrupted.rpm");
        std::fs::write(&file, body).unwrap();
        check_signature(
            &fixtures().package_key(lab::vendor::Product::Tyk).unwrap(),
            &file,
        )
        .0
    };
    let silent = with_flaw(Flaw::CorruptedRpm { file: rpm() });
    let body = fetch(&silent, &rpm()).body;
    assert_ne!(listed_sha1(&primary(&silent), &rpm()), sha1(&body));
    assert!(!check(&body));
    let agreed = with_flaw(Flaw::CorruptedRpmAndMetadata { file: rpm() });
    let body = fetch(&agreed, &rpm()).body;
    assert_eq!(listed_sha1(&primary(&agreed), &rpm()), sha1(&body));
    assert!(metadata_signature_holds(&agreed));
    assert!(!check(&body), "only the package signature can tell");
}

#[test]
fn bodies_that_end_early_or_stall() {
    let whole = std::fs::metadata(fixtures().variant(Variant::Repushed))
        .unwrap()
        .len();
    let truncated = fetch(&with_flaw(Flaw::TruncatedBody { file: rpm() }), &rpm());
    let promised: usize = truncated.header("content-length").unwrap().parse().unwrap();
    assert!(promised as u64 > whole / 2);
    assert_eq!(truncated.body.len(), promised / 2);

    let stall = Duration::from_millis(1500);
    let vendor = with_flaw(Flaw::StalledBody { file: rpm(), stall });
    let begun = std::time::Instant::now();
    assert_eq!(fetch(&vendor, &rpm()).body.len(), promised / 2);
    assert!(begun.elapsed() >= stall);
}

#[test]
fn flaky_answers_pass() {
    let vendor = with_flaw(Flaw::Flaky {
        file: rpm(),
        status: 503,
        times: 2,
    });
    let statuses: Vec<u16> = (0..3).map(|_| fetch(&vendor, &rpm()).status).collect();
    assert_eq!(statuses, [503, 503, 200]);
}

#[test]
fn hrefs_that_leave_the_repository() {
    let vendor = with_flaw(Flaw::HrefTraversal { file: rpm() });
    assert!(primary(&vendor).contains(&format!("href=\"../../{}\"", rpm())));
    assert!(metadata_signature_holds(&vendor));
}

#[test]
fn empty_repository() {
    let vendor = with_flaw(Flaw::EmptyRepo);
    let primary = primary(&vendor);
    assert!(primary.contains("packages=\"0\"") && !primary.contains("<package "));
    assert!(metadata_signature_holds(&vendor));
    let key = fixtures().metadata_key("tyk-gateway").unwrap();
    assert_eq!(
        repoquery(&format!("{}/{LEAF}", vendor.base_url()), &key),
        Vec::<String>::new()
    );
}

#[test]
fn metadata_signatures_that_do_not_hold() {
    assert!(metadata_signature_holds(&start(VendorOptions::default())));
    assert!(!metadata_signature_holds(&with_flaw(Flaw::TamperedRepomd)));
    assert!(!metadata_signature_holds(&with_flaw(
        Flaw::ForeignSignature
    )));
    let vendor = with_flaw(Flaw::MissingSignature);
    assert_eq!(fetch(&vendor, "repodata/repomd.xml.asc").status, 404);
    assert_eq!(fetch(&vendor, "repodata/repomd.xml").status, 200);
}

#[test]
fn tampered_primary_is_not_what_repomd_describes() {
    let vendor = with_flaw(Flaw::TamperedPrimary);
    assert!(metadata_signature_holds(&vendor));
    let repomd = fetch(&vendor, "repodata/repomd.xml").text();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("primary");
    std::fs::write(&file, fetch(&vendor, "repodata/primary.xml.gz").body).unwrap();
    let sum = sha256sum(&file);
    assert!(!repomd.contains(&sum));
    let sound = start(VendorOptions::default());
    std::fs::write(&file, fetch(&sound, "repodata/primary.xml.gz").body).unwrap();
    assert!(repomd.contains(&sha256sum(&file)));
}

fn sha256sum(file: &Path) -> String {
    stdout("sha256sum", &[file.to_str().unwrap()])[..64].to_owned()
}

#[test]
fn a_flaw_stays_where_it_was_put() {
    let vendor = with_flaw(Flaw::EmptyRepo);
    let other = format!(
        "{}/tyk-gateway/el/9/x86_64/repodata/primary.xml.gz",
        vendor.base_url()
    );
    let origin = http::get(&other).unwrap();
    let body = http::get(origin.header("location").unwrap()).unwrap().body;
    let leaf = fixtures()
        .repo_dir(lab::vendor::Profile::Good, "tyk-gateway", "el9", "x86_64")
        .unwrap();
    assert_eq!(
        body,
        std::fs::read(leaf.join("repodata/primary.xml.gz")).unwrap()
    );
}
