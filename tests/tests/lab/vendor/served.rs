//! A running vendor, and what it serves below one repository.

use lab::vendor::http::{self, Response};
use lab::vendor::{Fault, Flaw, Vendor, VendorOptions, rpm_file_name};

use crate::vendor::support::{fixtures, output, stdout};

pub(crate) const LEAF: &str = "tyk-gateway/el/8/x86_64";

pub(crate) fn start(options: VendorOptions) -> Vendor {
    Vendor::start(fixtures(), options).unwrap()
}

pub(crate) fn with_flaw(flaw: Flaw) -> Vendor {
    let faults = vec![Fault::at("tyk-gateway", "el8", "x86_64", flaw)];
    start(VendorOptions {
        faults,
        ..VendorOptions::default()
    })
}

pub(crate) fn rpm() -> String {
    rpm_file_name("tyk-gateway", "5.3.1", "x86_64")
}

/// Fetches below the flawed repository, following the redirect.
pub(crate) fn fetch(vendor: &Vendor, path: &str) -> Response {
    let origin = http::get(&format!("{}/{LEAF}/{path}", vendor.base_url())).unwrap();
    assert_eq!(origin.status, 302, "{path}");
    http::get(origin.header("location").unwrap()).unwrap()
}

/// The name, sha1 and size that the index lists for a file, from the first entry.
pub(crate) fn listed_sha1(primary: &str, file: &str) -> String {
    let entry = primary
        .split("<package ")
        .find(|entry| entry.contains(file))
        .unwrap();
    let at = entry.split("pkgid=\"YES\">").nth(1).unwrap();
    at.split('<').next().unwrap().to_owned()
}

pub(crate) fn primary(vendor: &Vendor) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("primary.xml.gz");
    std::fs::write(&file, fetch(vendor, "repodata/primary.xml.gz").body).unwrap();
    stdout("gzip", &["-dc", file.to_str().unwrap()])
}

pub(crate) fn sha1(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, bytes).unwrap();
    stdout("sha1sum", &[file.to_str().unwrap()])[..40].to_owned()
}

/// Whether the served `repomd.xml.asc` is the named repository key's over the served `repomd.xml`.
pub(crate) fn metadata_signature_holds(vendor: &Vendor) -> bool {
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
