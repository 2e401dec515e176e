//! The vendor on the network: redirects, expiry, tokens, records.

use std::time::{Duration, Instant};

use lab::vendor::http;
use lab::vendor::{Compression, Server, VendorOptions};

use crate::vendor::repositories::repoquery;
use crate::vendor::served::{LEAF, fetch, metadata_signature_holds, rpm, start};
use crate::vendor::support::fixtures;

#[test]
fn origin_redirects_and_the_second_server_requires_the_query() {
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

/// Asks again and again until a link has expired.
fn await_expiry(link: &str) {
    let until = Instant::now() + Duration::from_mins(1);
    while http::get(link).unwrap().status != 403 {
        assert!(Instant::now() < until, "the link does not expire");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn links_expire_and_can_be_renewed() {
    let options = VendorOptions {
        link_lifetime: Duration::from_secs(10),
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
    await_expiry(&first);
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
