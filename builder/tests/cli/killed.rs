//! Builds that are killed (SIGKILL) while a package arrives: the next build continues there.

#![expect(clippy::disallowed_methods, reason = "a test empties a directory")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{User, text};
use crate::scripted::{Asked, Reply, Scripted, from_directory};
use crate::vendor::{Vendor, names};

/// A little more than the program records at a time.
const LARGE_BYTES: usize = 10 * 1024 * 1024;
const TARGET: &str = "relay/el/8/x86_64/relay-5.3.10-1.x86_64.rpm";

/// A vendor whose target package is large. Its server can be set to send only part of it at a time
/// and then stay silent.
struct Dammed {
    vendor: Vendor,
    server: Scripted,
    dam: Arc<AtomicBool>,
}

impl Dammed {
    fn start(sent: usize) -> Self {
        let vendor = Vendor::new();
        vendor.publish_large("relay", 8, "5.3.10", LARGE_BYTES);
        let large = std::fs::read(vendor.path(TARGET)).unwrap();
        let (root, dam) = (vendor.path(""), Arc::new(AtomicBool::new(false)));
        let up = Arc::clone(&dam);
        let server = Scripted::start(move |asked| {
            if !asked.path.ends_with(TARGET) {
                return from_directory(&root, asked);
            }
            let reply = Reply::ranged(asked, &large, "one");
            if up.load(Ordering::Relaxed) {
                return reply.cut(sent).stalling();
            }
            reply
        });
        Self {
            vendor,
            server,
            dam,
        }
    }

    fn asked_for_target(&self) -> Vec<Asked> {
        let mut asked = self.server.requests();
        asked.retain(|one| one.path.ends_with(TARGET));
        asked
    }
}

/// Waits until the program has recorded its progress on a file; returns the records once it is
/// gone.
fn killed_after_a_note(mut child: Child, cache: &Path) -> Vec<(u64, u64)> {
    let note = || {
        let is_note = |name: &String| name.ends_with(".part.json");
        names(cache).into_iter().find(is_note)
    };
    let begun = Instant::now();
    while note().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begun.elapsed() < Duration::from_mins(5), "nothing is noted");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it ended before the signal: {status}");
    let bytes = std::fs::read(cache.join(note().unwrap())).unwrap();
    let note: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    serde_json::from_value(note["done"].clone()).unwrap()
}

/// Kills a build whose server sends `sent` bytes for each request, and builds again.
fn is_resumed(sent: usize, connections: &str) {
    let (dammed, user) = (Dammed::start(sent), User::new());
    let (out, elsewhere) = (user.path("out"), user.path("elsewhere"));
    let url = dammed.server.url.clone();
    let undisturbed = [
        "--connections",
        connections,
        "--cache-dir",
        text(&elsewhere),
    ];
    user.build_from(&dammed.vendor, &url, &undisturbed)
        .assert_ok();
    let (expected, files) = (std::fs::read(user.bundle()).unwrap(), names(&out));
    // The sequence of the next build must not follow from the lock of this one.
    std::fs::remove_dir_all(&out).unwrap();
    std::fs::create_dir(&out).unwrap();

    dammed.dam.store(true, Ordering::Relaxed);
    let more = ["--connections", connections];
    let cache = user.path("cache/airgap-bundle/rpms");
    let done = killed_after_a_note(user.start_from(&dammed.vendor, &url, &more), &cache);
    let noted: u64 = done.iter().map(|(first, end)| end - first).sum();
    assert!(noted > 0 && noted < LARGE_BYTES as u64, "{done:?}");
    user.assert_nothing_written();

    dammed.dam.store(false, Ordering::Relaxed);
    let earlier = dammed.asked_for_target().len();
    user.build_from(&dammed.vendor, &url, &more).assert_ok();
    let asked = dammed.asked_for_target().split_off(earlier);
    assert!(!asked.is_empty());
    for one in &asked {
        let (first, last) = one.range.unwrap();
        let end = last.unwrap() + 1;
        let fetched_again = |&&(from, to): &&(u64, u64)| first < to && from < end;
        assert_eq!(done.iter().find(fetched_again), None, "{first}..{end}");
    }
    assert!(std::fs::read(user.bundle()).unwrap() == expected);
    assert_eq!(names(&out), files);
    let left = names(&cache);
    assert!(left.iter().all(|name| !name.contains(".part")), "{left:?}");
}

#[test]
fn a_package_that_came_over_many_connections_is_taken_up() {
    is_resumed(900_000, "64");
}

#[test]
fn a_package_that_came_in_one_stream_is_taken_up() {
    is_resumed(9_500_000, "1");
}

#[test]
fn a_bundle_that_was_being_written_leaves_nothing() {
    let (vendor, user) = (Vendor::new(), User::new());
    vendor.publish_large("relay", 8, "5.3.10", LARGE_BYTES);
    let mut child = user.start_from(&vendor, &vendor.url(), &["--output", "json"]);
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.iter().any(|line| line.contains("\"writing\"")) {
            break;
        }
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {said:?}");
    user.assert_nothing_written();
}
