//! Every flaw of the vendor, one test each.

use std::time::{Duration, Instant};

use lab::vendor::http;
use lab::vendor::{Flaw, Server, Variant, VendorOptions};

use crate::sources::builder::{Builder, LEAF, fixtures, published, rpm, start, vendor};

const LIST: &str = "repodata/primary.xml.gz";

#[track_caller]
fn is_right(flaw: Flaw) {
    let (vendor, builder) = (vendor(flaw), Builder::new());
    let run = builder.build(&vendor.base_url(), &[], &[]);
    builder.assert_right(&run, &published());
}

#[track_caller]
fn is_refused(flaw: Flaw, code: i32, words: &[&str]) {
    let (vendor, builder) = (vendor(flaw), Builder::new());
    let run = builder.build(&vendor.base_url(), &[], &[]);
    builder.assert_refused(&run, code, words);
}

fn flaky(file: &str, status: u16, times: u32) -> Flaw {
    Flaw::Flaky {
        file: file.to_owned(),
        status,
        times,
    }
}

#[test]
fn without_a_flaw_the_bundle_is_right() {
    let (vendor, builder) = (start(VendorOptions::default()), Builder::new());
    let run = builder.build(&vendor.base_url(), &[], &[]);
    builder.assert_right(&run, &published());
    // Every request began at the origin: the client does not remember where it was redirected to.
    let requests = vendor.requests().unwrap();
    let origin = requests
        .iter()
        .filter(|one| one.server == Server::Origin)
        .count();
    assert!(
        origin * 2 >= requests.len(),
        "{origin} of {}",
        requests.len()
    );
}

#[test]
fn listed_but_404() {
    is_refused(
        Flaw::ListedButMissing { file: rpm() },
        1,
        &["tyk-gateway-5.3.1"],
    );
}

#[test]
fn a_second_entry_for_the_same_package_whose_bytes_are_gone() {
    // Only the vendor knows which of the two is right: the build stops and does not guess.
    let words = ["twice with different content", "tyk-gateway-5.3.1"];
    is_refused(Flaw::DuplicateNevra { file: rpm() }, 2, &words);
}

#[test]
fn forbidden_at_the_second_server_for_a_while() {
    is_right(flaky(&rpm(), 403, 2));
    is_right(flaky(&rpm(), 503, 2));
    is_refused(flaky(&rpm(), 403, 1000), 1, &["tyk-gateway-5.3.1", "403"]);
}

#[test]
fn links_that_are_expired_when_they_are_given_out() {
    let builder = Builder::new();
    let mut vendor = start(VendorOptions {
        link_lifetime: Duration::ZERO,
        ..VendorOptions::default()
    });
    // A link's time of expiry is in whole seconds.
    let repomd = format!("{}/{LEAF}/repodata/repomd.xml", vendor.base_url());
    let origin = http::get(&repomd).unwrap();
    let link = origin.header("location").unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    while http::get(link).unwrap().status != 403 {
        assert!(Instant::now() < until, "{link} does not expire");
        std::thread::sleep(Duration::from_millis(50));
    }
    let run = builder.build(&vendor.base_url(), &[], &[]);
    builder.assert_refused(&run, 1, &["403"]);
    vendor.renew_links(Duration::from_mins(5)).unwrap();
    let run = builder.build(&vendor.base_url(), &[], &[]);
    builder.assert_right(&run, &published());
}

#[test]
fn an_index_without_packages() {
    is_refused(Flaw::EmptyRepo, 2, &["5.3.1"]);
}

#[test]
fn a_package_pushed_again_is_carried_as_listed_and_refused_where_locked() {
    let (before, builder) = (start(VendorOptions::default()), Builder::new());
    let run = builder.build(&before.base_url(), &[], &[]);
    builder.assert_right(&run, &published());
    // To the lock the address is the same; another build is under the name.
    let after = vendor(Flaw::Replaced(Variant::Repushed));
    let lock = std::fs::read_to_string(builder.path("out/bundle.lock.json")).unwrap();
    let [from, to] = [&before, &after].map(|vendor| format!("{}/{LEAF}/", vendor.base_url()));
    let moved = lock.replace(&from, &to);
    let again = Builder::new();
    std::fs::write(again.path("lock.json"), moved).unwrap();
    let arguments = [
        "build",
        "--locked",
        "lock.json",
        "--out",
        "out/bundle.tar.zst",
    ];
    let run = again.run(&arguments, &[]);
    again.assert_refused(&run, 3, &["replaced"]);

    let fresh = Builder::new();
    let run = fresh.build(&after.base_url(), &[], &[]);
    fresh.assert_right(&run, &fixtures().variant(Variant::Repushed));
}

#[test]
fn packages_without_a_good_signature() {
    is_refused(Flaw::Replaced(Variant::Unsigned), 3, &["tyk-gateway-5.3.1"]);
    is_refused(
        Flaw::Replaced(Variant::ForeignKey),
        3,
        &["tyk-gateway-5.3.1"],
    );
    is_refused(Flaw::CorruptedRpm { file: rpm() }, 3, &["checksum"]);
    let agreed = Flaw::CorruptedRpmAndMetadata { file: rpm() };
    is_refused(agreed, 3, &["tyk-gateway-5.3.1"]);
}

#[test]
fn locations_that_leave_the_repository() {
    is_refused(Flaw::HrefTraversal { file: rpm() }, 1, &["../../"]);
}

#[test]
fn bodies_that_end_early_or_stall() {
    is_refused(
        Flaw::TruncatedBody { file: rpm() },
        1,
        &["tyk-gateway-5.3.1"],
    );
    let stall = Duration::from_secs(20);
    is_refused(
        Flaw::StalledBody { file: rpm(), stall },
        1,
        &["tyk-gateway-5.3.1"],
    );
}

#[test]
fn web_pages_and_nothing_at_all() {
    is_refused(
        Flaw::WebPage { file: rpm() },
        3,
        &["web page", "tyk-gateway-5.3.1"],
    );
    let file = "repodata/repomd.xml".to_owned();
    is_refused(Flaw::WebPage { file }, 3, &["web page", "repomd.xml"]);
    is_refused(Flaw::ZeroBytes { file: rpm() }, 3, &["zero bytes"]);
    let file = LIST.to_owned();
    is_refused(Flaw::ZeroBytes { file }, 3, &["zero bytes", "package list"]);
}

#[test]
fn a_package_list_that_is_gone_for_a_while() {
    // One look takes four requests: only the second look finds the list, from `repomd.xml` again.
    let (vendor, builder) = (vendor(flaky(LIST, 404, 5)), Builder::new());
    let run = builder.build(&vendor.base_url(), &[], &[]);
    builder.assert_right(&run, &published());
    let requests = vendor.requests().unwrap();
    let repomd = format!("/{LEAF}/repodata/repomd.xml");
    let looks = requests
        .iter()
        .filter(|one| one.server == Server::Origin && one.path == repomd);
    assert_eq!(looks.count(), 2);
    is_refused(flaky(LIST, 404, 1000), 1, &["primary.xml.gz"]);
}

#[test]
fn metadata_without_a_valid_signature() {
    is_refused(Flaw::TamperedRepomd, 3, &["signature"]);
    is_refused(Flaw::TamperedPrimary, 3, &["checksum"]);
    is_refused(Flaw::MissingSignature, 1, &["repomd.xml.asc"]);
    is_refused(Flaw::ForeignSignature, 3, &["signature"]);
}
