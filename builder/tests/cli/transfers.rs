//! One large file over several connections, from servers that break, change, lie and stall.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use builder::checksum::{Algorithm, Hasher};
use builder::download::{Cache, DownloadError, FailureKind, ReceivedFile, Wanted, fetch_all};
use builder::event::{Observer, Silent};
use builder::plan::PlannedPackage;
use builder::transport::{Breadth, Patience, Setup, Transport};
use tempfile::TempDir;

use crate::scripted::{Asked, Reply, Scripted};
use crate::vendor::names;

const SIZE: usize = 3_000_017;

fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()[6]
    };
    (0..SIZE).map(|_| next()).collect()
}

fn wanted(url: &str, expected: &[u8]) -> Wanted {
    let mut hasher = Hasher::new(Algorithm::Sha1);
    hasher.update(expected);
    Wanted {
        package: PlannedPackage {
            nevra: "relay-5.3.10-1.x86_64".parse().unwrap(),
            url: format!("{url}/relay.rpm").parse().unwrap(),
            size: expected.len() as u64,
            checksum: hasher.finish(),
            repository: "relay".to_owned(),
            uses: Vec::new(),
        },
        locked: None,
    }
}

fn transport() -> Transport {
    let mut patience = Patience::with_silence(Duration::from_mins(10));
    patience.pause = Duration::from_millis(1);
    let mut setup = Setup::new(patience, 2);
    setup.breadth = Breadth {
        jobs: 2,
        connections: 8,
        part_bytes: 64 * 1024,
    };
    Transport::new(setup).unwrap()
}

fn fetch(cache: &Path, url: &str, expected: &[u8]) -> Result<ReceivedFile, DownloadError> {
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let cache = Cache::open(cache).unwrap();
    let files = fetch_all(&transport(), &cache, &[wanted(url, expected)], &observer)?;
    Ok(files.into_iter().next().unwrap())
}

#[track_caller]
fn is_fetched(cache: &TempDir, server: &Scripted, expected: &[u8]) {
    let file = fetch(cache.path(), &server.url, expected).unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap(), expected);
    let left = names(cache.path());
    assert!(left.iter().all(|name| !name.contains(".part")), "{left:?}");
}

#[track_caller]
fn is_refused(server: &Scripted, expected: &[u8]) -> FailureKind {
    let cache = tempfile::tempdir().unwrap();
    let mut error = fetch(cache.path(), &server.url, expected).unwrap_err();
    assert_eq!(names(cache.path()), Vec::<String>::new());
    error.failures.pop().unwrap().kind
}

fn cache() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_large_file_comes_over_several_connections_bound_to_one_version() {
    let good = bytes(1);
    let content = good.clone();
    let server = Scripted::start(move |asked| Reply::ranged(asked, &content, "one"));
    is_fetched(&cache(), &server, &good);
    let requests = server.requests();
    assert!(requests.len() >= 8, "{}", requests.len());
    assert!(requests.iter().all(|asked| asked.range.is_some()));
    let bound = |asked: &Asked| asked.if_range.as_deref() == Some("\"one\"");
    assert!(requests[1..].iter().all(bound));
}

#[test]
fn breaks_cost_only_what_was_under_way() {
    let good = bytes(2);
    let content = good.clone();
    let server = Scripted::start(move |asked| Reply::ranged(asked, &content, "one").cut(90_000));
    is_fetched(&cache(), &server, &good);
    assert!(
        server.sent_bytes() < SIZE * 3 / 2,
        "{}",
        server.sent_bytes()
    );
}

#[test]
fn a_single_stream_is_taken_up_where_it_broke() {
    let good = bytes(3)[..50_000].to_vec();
    let content = good.clone();
    let server = Scripted::start(move |asked| Reply::ranged(asked, &content, "one").cut(20_000));
    is_fetched(&cache(), &server, &good);
    let ranges: Vec<_> = server.requests().iter().map(|asked| asked.range).collect();
    assert_eq!(ranges[0], None);
    assert!(
        ranges[1..].iter().all(Option::is_some) && ranges.len() == 3,
        "{ranges:?}"
    );
}

#[test]
fn a_version_that_changes_half_way_starts_over() {
    let (old, new) = (bytes(4), bytes(5));
    let content = new.clone();
    let server = Scripted::start(move |asked| match asked.earlier {
        0..5 => Reply::ranged(asked, &old, "old").cut(100_000),
        _ => Reply::ranged(asked, &content, "new"),
    });
    is_fetched(&cache(), &server, &new);
}

#[test]
fn a_server_that_mixes_versions_in_silence_is_found_out() {
    // The server ignores If-Range and sends no validators: only the digest shows the mix.
    let (old, new) = (bytes(6), bytes(7));
    let content = new.clone();
    let server = Scripted::start(move |asked| {
        let bytes = if asked.earlier < 3 { &old } else { &content };
        let mut asked = asked.clone();
        asked.if_range = None;
        let mut reply = Reply::ranged(&asked, bytes, "x");
        reply.headers.retain(|(name, _)| name != "ETag");
        reply
    });
    is_fetched(&cache(), &server, &new);
}

#[test]
fn a_server_without_ranges_sends_one_stream() {
    let good = bytes(8);
    let content = good.clone();
    let server = Scripted::start(move |_| Reply::whole(&content));
    is_fetched(&cache(), &server, &good);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_connection_that_is_stuck_loses_its_part_to_another() {
    let good = bytes(9);
    let content = good.clone();
    let stuck = AtomicUsize::new(0);
    // The transport would wait ten minutes: only the other connections can end this.
    let server = Scripted::start(move |asked| {
        let reply = Reply::ranged(asked, &content, "one");
        if asked.earlier > 0 && stuck.fetch_add(1, Ordering::Relaxed) == 0 {
            return reply.cut(10_000).stalling();
        }
        reply
    });
    is_fetched(&cache(), &server, &good);
}

/// Fetches a file from a server that breaks off and then gives up; returns the names in the cache.
fn broken_off(good: &[u8], cache: &Path) -> Vec<String> {
    let content = good.to_vec();
    let breaking = Scripted::start(move |asked| match asked.earlier {
        0..4 => Reply::ranged(asked, &content, "one").cut(150_000),
        _ => Reply::status(503),
    });
    fetch(cache, &breaking.url, good).unwrap_err();
    names(cache)
}

#[test]
fn another_run_takes_up_what_one_left() {
    let (good, cache) = (bytes(10), cache());
    let left = broken_off(&good, cache.path());
    assert_eq!(left.len(), 2, "{left:?}");
    let content = good.clone();
    let whole = Scripted::start(move |asked| Reply::ranged(asked, &content, "one"));
    is_fetched(&cache, &whole, &good);
    let begins = |asked: &Asked| asked.range.is_none_or(|(first, _)| first == 0);
    assert!(!whole.requests().iter().any(begins) && whole.sent_bytes() < SIZE);
}

#[test]
fn a_damaged_left_over_is_not_used() {
    let (good, cache) = (bytes(11), cache());
    let left = broken_off(&good, cache.path());
    let is_part = |name: &&String| name.strip_suffix(".part").is_some();
    let part = left.iter().find(is_part).unwrap();
    let path = cache.path().join(part);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[1000] ^= 1;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&damaged[1000..=1000], 1000).unwrap();
    let content = good.clone();
    let whole = Scripted::start(move |asked| Reply::ranged(asked, &content, "one"));
    is_fetched(&cache, &whole, &good);
}

#[test]
fn web_pages_and_empty_files_are_named() {
    let page = |_: &Asked| Reply::whole(b"<!DOCTYPE html><title>Log in</title>");
    let kind = is_refused(&Scripted::start(page), &bytes(12));
    assert!(matches!(kind, FailureKind::WebPage), "{kind}");
    let empty = |asked: &Asked| match asked.range {
        Some(_) => Reply::status(416),
        None => Reply::whole(b""),
    };
    let kind = is_refused(&Scripted::start(empty), &bytes(12));
    assert!(matches!(kind, FailureKind::Empty), "{kind}");
}

#[test]
fn wrong_bytes_are_refused_however_they_come() {
    let (good, other) = (bytes(13), bytes(14));
    let content = other.clone();
    let server = Scripted::start(move |asked| Reply::ranged(asked, &content, "one"));
    let kind = is_refused(&server, &good);
    assert!(matches!(kind, FailureKind::Checksum { .. }), "{kind}");
    let longer = [&other[..], b"x"].concat();
    let server = Scripted::start(move |asked| Reply::ranged(asked, &longer, "one"));
    let kind = is_refused(&server, &good);
    assert!(matches!(kind, FailureKind::Size { .. }), "{kind}");
}

#[test]
fn an_expired_redirect_is_asked_for_again_at_the_origin() {
    let good = bytes(15);
    let content = good.clone();
    // A link is good for three requests.
    let network = Scripted::start(move |asked| match asked.target.split_once("?link=") {
        Some((_, link)) if asked.earlier < (link.parse::<usize>().unwrap() + 1) * 3 => {
            Reply::ranged(asked, &content, "one").cut(400_000)
        }
        _ => Reply::status(403),
    });
    let to = network.url.clone();
    let origin =
        Scripted::start(move |asked| Reply::to(&format!("{to}/x?link={}", asked.earlier * 4)));
    is_fetched(&cache(), &origin, &good);
    assert!(origin.requests().len() >= 2);
}

#[test]
fn two_builds_fetch_a_file_once() {
    let (good, cache) = (bytes(16), cache());
    let content = good.clone();
    let server = Scripted::start(move |asked| {
        std::thread::sleep(Duration::from_millis(100));
        Reply::ranged(asked, &content, "one")
    });
    std::thread::scope(|scope| {
        let build = || fetch(cache.path(), &server.url, &good).unwrap();
        let builds = [scope.spawn(build), scope.spawn(build)];
        for build in builds {
            let file = build.join().unwrap();
            assert_eq!(std::fs::read(file.path()).unwrap(), good);
        }
    });
    assert!(server.sent_bytes() < SIZE * 3 / 2);
}
