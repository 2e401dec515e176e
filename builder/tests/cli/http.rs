//! Builds over HTTP, from servers that behave like packagecloud, and from worse ones.

use std::time::Duration;

use builder::transport::{Patience, Request, Setup, Transport, TransportErrorKind};

use crate::program::{User, text};
use crate::server::{Manner, Server};
use crate::vendor::{Vendor, names};

const TARGET: &str = "relay-5.3.10-1.x86_64.rpm";

#[track_caller]
fn refused(manner: Manner, code: i32, words: &[&str]) -> Server {
    let (vendor, user) = (Vendor::new(), User::new());
    let server = Server::start(&vendor.path(""), manner);
    user.build_from(&vendor, &server.url, &["--timeout", "1"])
        .assert_refused(code, words);
    user.assert_nothing_written();
    let kept = names(&user.path("cache/airgap-bundle/rpms"));
    assert!(
        kept.iter().all(|name| !name.contains("partial")),
        "{kept:?}"
    );
    server
}

#[test]
fn redirects_are_followed_and_their_address_is_never_kept() {
    let (vendor, user) = (Vendor::new(), User::new());
    let network = Server::start(&vendor.path(""), Manner::Plain);
    let origin = Server::start(&vendor.path(""), Manner::Redirect(network.url.clone()));
    let run = user.build_from(&vendor, &origin.url, &[]);
    run.assert_ok();
    assert!(network.asked_for(TARGET) == 1 && origin.asked_for(TARGET) == 1);
    let lock = std::fs::read_to_string(user.path("out/bundle.lock.json")).unwrap();
    assert!(lock.contains(&origin.url));
    for word in [network.url.as_str(), "Signature=", "secret"] {
        assert!(!lock.contains(word) && !run.stderr.contains(word), "{word}");
    }
}

#[test]
fn a_passing_failure_is_tried_again_from_the_origin() {
    let (vendor, user) = (Vendor::new(), User::new());
    for code in [403, 503] {
        let server = Server::start(&vendor.path(""), Manner::Passing(TARGET, code, 2));
        let cache = user.path(&code.to_string());
        user.build_from(&vendor, &server.url, &["--cache-dir", text(&cache)])
            .assert_ok();
        assert_eq!(server.asked_for(TARGET), 3);
    }
}

#[test]
fn a_file_that_is_not_there_is_asked_for_once() {
    let server = refused(Manner::Status(TARGET, 404), 1, &[TARGET, "no such file"]);
    assert_eq!(server.asked_for(TARGET), 1);
}

#[test]
fn a_server_that_keeps_failing_is_given_up() {
    let server = refused(Manner::Status(TARGET, 500), 1, &[TARGET, "500"]);
    assert_eq!(server.asked_for(TARGET), 4);
    refused(Manner::Status("repomd.xml", 503), 1, &["503"]);
}

#[test]
fn a_transfer_that_breaks_off_is_given_up() {
    let server = refused(Manner::Half(TARGET), 1, &[TARGET, "broke off"]);
    assert_eq!(server.asked_for(TARGET), 4);
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    refused(Manner::Stall("repomd.xml"), 1, &["repomd.xml"]);
    refused(Manner::Stall(TARGET), 1, &[TARGET]);
}

#[test]
fn a_file_of_another_size_is_refused() {
    refused(Manner::Shorter(TARGET), 3, &[TARGET, "bytes"]);
    refused(Manner::Longer(TARGET), 3, &[TARGET, "bytes"]);
    refused(Manner::Longer("primary.xml.gz"), 3, &["checksum"]);
}

#[test]
fn a_redirect_without_end_or_to_a_file_is_not_followed() {
    // A redirect without a host stays on the same server.
    refused(
        Manner::RedirectOne(TARGET, String::new()),
        1,
        &["redirect", "too many"],
    );
    let to_file = "file://".to_owned();
    refused(
        Manner::RedirectOne(TARGET, to_file),
        1,
        &["redirect", "http"],
    );
}

#[test]
fn finished_downloads_are_reused() {
    let (vendor, user) = (Vendor::new(), User::new());
    let server = Server::start(&vendor.path(""), Manner::Plain);
    user.build_from(&vendor, &server.url, &[]).assert_ok();
    user.build_from(&vendor, &server.url, &[]).assert_ok();
    assert_eq!(server.asked_for(TARGET), 1);
    // A manipulated cache is not trusted.
    let cache = user.path("cache/airgap-bundle/rpms");
    for name in names(&cache).iter().filter(|name| name.contains(".rpm")) {
        std::fs::copy(vendor.path("keys/package.asc"), cache.join(name)).unwrap();
    }
    user.build_from(&vendor, &server.url, &[]).assert_ok();
    assert_eq!(server.asked_for(TARGET), 2);
}

#[test]
fn every_failure_is_reported_together() {
    let (vendor, user) = (Vendor::new(), User::new());
    vendor.remove("relay/el/8/x86_64/relay-5.2.7-1.x86_64.rpm");
    vendor.remove("agent/el/8/x86_64/agent-1.9.0-1.x86_64.rpm");
    let server = Server::start(&vendor.path(""), Manner::Plain);
    let run = user.build_from(&vendor, &server.url, &[]);
    run.assert_refused(1, &["2 of 5", "relay-5.2.7-1", "agent-1.9.0-1"]);
    user.assert_nothing_written();
}

#[test]
fn a_file_that_is_gone_where_a_redirect_leads_is_asked_for_again_at_the_origin() {
    let (vendor, user) = (Vendor::new(), User::new());
    let network = Server::start(&vendor.path(""), Manner::Passing(TARGET, 404, 2));
    let origin = Server::start(&vendor.path(""), Manner::Redirect(network.url));
    user.build_from(&vendor, &origin.url, &[]).assert_ok();
    assert_eq!(origin.asked_for(TARGET), 3);
}

#[test]
fn metadata_that_is_just_being_published_is_looked_at_once_more() {
    let (vendor, user) = (Vendor::new(), User::new());
    let server = Server::start(
        &vendor.path(""),
        Manner::Stale("relay/el/8/x86_64/repodata/repomd.xml", 1),
    );
    user.build_from(&vendor, &server.url, &[]).assert_ok();
    let manner = Manner::Stale("relay/el/8/x86_64/repodata/repomd.xml", 2);
    let server = refused(manner, 3, &["does not match"]);
    assert_eq!(
        server.asked_for("relay/el/8/x86_64/repodata/repomd.xml.asc"),
        2
    );
}

#[test]
fn metadata_that_never_ends_has_a_deadline() {
    let vendor = Vendor::new();
    let server = Server::start(&vendor.path(""), Manner::Drip("gpgkey"));
    let mut patience = Patience::with_silence(Duration::from_secs(30));
    patience.deadline = Duration::from_secs(1);
    let transport = Transport::new(Setup::new(patience, 1)).unwrap();
    let request = Request {
        url: format!("{}/relay/gpgkey", server.url).parse().unwrap(),
        limit_bytes: 10_000,
    };
    let error = transport.fetch_one(request).unwrap_err();
    assert!(
        matches!(error.kind, TransportErrorKind::TooSlow(_)),
        "{error}"
    );
}
