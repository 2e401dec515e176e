//! The vendor on the network: redirects, expiry, tokens, and every flaw.

use std::path::Path;
use std::time::Duration;

use lab::vendor::http::{self, Response};
use lab::vendor::{
    Compression, Fault, Flaw, Server, Variant, Vendor, VendorOptions, rpm_file_name,
};

use crate::repositories::repoquery;
use crate::support::{check_signature, fixtures, output, stdout};

const LEAF: &str = "tyk-gateway/el/8/x86_64";

fn start(options: VendorOptions) -> Vendor {
    Vendor::start(fixtures(), options).unwrap()
}

fn with_flaw(flaw: Flaw) -> Vendor {
    let faults = vec![Fault::at("tyk-gateway", "el8", "x86_64", flaw)];
    start(VendorOptions {
        faults,
        ..VendorOptions::default()
    })
}

fn rpm() -> String {
    rpm_file_name("tyk-gateway", "5.3.1", "x86_64")
}

/// Fetches below the flawed repository, following the redirect.
fn fetch(vendor: &Vendor, path: &str) -> Response {
    let origin = http::get(&format!("{}/{LEAF}/{path}", vendor.base_url())).unwrap();
    assert_eq!(origin.status, 302, "{path}");
    http::get(origin.header("location").unwrap()).unwrap()
}

/// The name, sha1 and size of what the index says of a file, from the first entry.
fn listed_sha1(primary: &str, file: &str) -> String {
    let entry = primary
        .split("<package ")
        .find(|entry| entry.contains(file))
        .unwrap();
    let at = entry.split("pkgid=\"YES\">").nth(1).unwrap();
    at.split('<').next().unwrap().to_owned()
}

fn primary(vendor: &Vendor) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("primary.xml.gz");
    std::fs::write(&file, fetch(vendor, "repodata/primary.xml.gz").body).unwrap();
    stdout("gzip", &["-dc", file.to_str().unwrap()])
}

fn sha1(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, bytes).unwrap();
    stdout("sha1sum", &[file.to_str().unwrap()])[..40].to_owned()
}

/// Whether the served `repomd.xml.asc` is the named repository key's over the served `repomd.xml`.
fn metadata_signature_holds(vendor: &Vendor) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let key = http::get(&format!("{}/tyk-gateway/gpgkey", vendor.base_url())).unwrap();
    assert_eq!(key.status, 200);
    let armoured = save("key.asc", &key.body);
    let ring = dir.path().join("ring").to_str().unwrap().to_owned();
    let home = dir.path().to_str().unwrap();
    stdout(
        "gpg",
        &[
            "--homedir",
            home,
            "--batch",
            "--dearmor",
            "-o",
            &ring,
            &armoured,
        ],
    );
    let repomd = save("repomd.xml", &fetch(vendor, "repodata/repomd.xml").body);
    let signature = save(
        "repomd.xml.asc",
        &fetch(vendor, "repodata/repomd.xml.asc").body,
    );
    output("gpgv", &["--keyring", &ring, &signature, &repomd])
        .status
        .success()
}

#[test]
fn origin_redirects_and_the_second_server_wants_the_query() {
    let vendor = start(VendorOptions::default());
    let repomd = format!("{}/{LEAF}/repodata/repomd.xml", vendor.base_url());
    let origin = http::get(&repomd).unwrap();
    assert_eq!(origin.status, 302);
    let location = origin.header("location").unwrap().to_owned();
    assert!(location.starts_with("http://127.0.0.2:"), "{location}");
    for parameter in ["?Expires=", "&Signature=", "&Key-Pair-Id="] {
        assert!(location.contains(parameter), "{location}");
    }
    let found = http::get(&location).unwrap();
    assert_eq!(found.status, 200);
    assert!(found.text().contains("<repomd "));

    let bare = location.split('?').next().unwrap();
    assert_eq!(http::get(bare).unwrap().status, 403);
    let forged = location.replace("Expires=", "Expires=9");
    assert_eq!(http::get(&forged).unwrap().status, 403);
    let missing = format!(
        "{}/{LEAF}/tyk-gateway-9.9.9-1.x86_64.rpm",
        vendor.base_url()
    );
    let missing = http::get(&missing).unwrap();
    assert_eq!(
        http::get(missing.header("location").unwrap())
            .unwrap()
            .status,
        404
    );
}

#[test]
fn links_expire_and_can_be_renewed() {
    let options = VendorOptions {
        link_lifetime: Duration::from_secs(2),
        ..Default::default()
    };
    let mut vendor = start(options);
    let repomd = format!("{}/{LEAF}/repodata/repomd.xml", vendor.base_url());
    let location = || {
        let origin = http::get(&repomd).unwrap();
        origin.header("location").unwrap().to_owned()
    };
    let first = location();
    assert_eq!(http::get(&first).unwrap().status, 200);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        http::get(&first).unwrap().status,
        403,
        "the link has expired"
    );
    vendor.renew_links(Duration::from_mins(1)).unwrap();
    let second = location();
    assert_eq!(http::get(&second).unwrap().status, 200);
    assert_eq!(
        http::get(&first).unwrap().status,
        403,
        "the old one stays expired"
    );
}

#[test]
fn keys_are_served_without_a_detour() {
    let vendor = start(VendorOptions::default());
    let get = |path: &str| http::get(&format!("{}{path}", vendor.base_url())).unwrap();
    let package = fixtures().package_key(lab::vendor::Product::Tyk).unwrap();
    assert_eq!(
        get("/keys/package.asc").body,
        std::fs::read(package.file).unwrap()
    );
    let acme = fixtures().package_key(lab::vendor::Product::Acme).unwrap();
    assert_eq!(
        get("/keys/acme.asc").body,
        std::fs::read(acme.file).unwrap()
    );
    let metadata = fixtures().metadata_key("tyk-pump").unwrap();
    assert_eq!(
        get("/tyk-pump/gpgkey").body,
        std::fs::read(metadata.file).unwrap()
    );
    assert_eq!(get("/keys/secret.asc").status, 404);
    assert_eq!(get("/elsewhere").status, 404);
}

#[test]
fn read_tokens_are_for_the_origin_alone() {
    let read_token = Some("f1d2".to_owned());
    let vendor = start(VendorOptions {
        read_token,
        ..Default::default()
    });
    let repomd = format!("{}/{LEAF}/repodata/repomd.xml", vendor.base_url());
    assert_eq!(http::get(&repomd).unwrap().status, 401);
    assert_eq!(http::get_as(&repomd, "wrong").unwrap().status, 401);
    let origin = http::get_as(&repomd, "f1d2").unwrap();
    assert_eq!(origin.status, 302);
    let location = origin.header("location").unwrap();
    assert_eq!(
        http::get_as(location, "f1d2").unwrap().status,
        400,
        "credentials leaked"
    );
    assert_eq!(http::get(location).unwrap().status, 200);
}

#[test]
fn requests_are_recorded_in_order() {
    let vendor = start(VendorOptions::default());
    assert_eq!(vendor.requests().unwrap().len(), 0);
    fetch(&vendor, "repodata/repomd.xml");
    fetch(&vendor, &rpm());
    let requests = vendor.requests().unwrap();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            (
                request.server,
                request.path.rsplit('/').next().unwrap(),
                request.status,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Server::Origin, "repomd.xml", 302),
            (Server::Cdn, "repomd.xml", 200),
            (Server::Origin, rpm().as_str(), 302),
            (Server::Cdn, rpm().as_str(), 200),
        ]
    );
    assert_eq!(requests[3].path, format!("/{LEAF}/{}", rpm()));
    assert!(requests[3].query.starts_with("Expires=") && !requests[3].authorized);
}

#[test]
fn dropping_the_vendor_closes_its_ports() {
    let vendor = start(VendorOptions::default());
    let url = format!("{}/keys/package.asc", vendor.base_url());
    assert_eq!(http::get(&url).unwrap().status, 200);
    drop(vendor);
    assert!(http::get(&url).is_err());
}

#[test]
fn dnf_follows_the_redirects_and_reads_every_compression() {
    for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
        let vendor = start(VendorOptions {
            compression,
            ..Default::default()
        });
        let key = fixtures().metadata_key("tyk-gateway").unwrap();
        let found = repoquery(&format!("{}/{LEAF}", vendor.base_url()), &key);
        assert_eq!(found.len(), 7, "{compression:?}: {found:?}");
        assert!(metadata_signature_holds(&vendor));
    }
}

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
