//! Progress: standard error alone, plain without a terminal, one JSON object per line for programs.

use serde_json::Value;

use crate::program::{User, text};
use crate::vendor::Vendor;

fn events(stderr: &str) -> Vec<Value> {
    let lines = stderr.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

#[test]
fn every_line_for_programs_is_an_event_and_the_result_is_apart() {
    let (vendor, user) = (Vendor::new(), User::new());
    let request = ["--version", "5.3", "--distro", "el8", "--output", "json"];
    let run = user.build(&vendor, &request);
    serde_json::from_str::<Value>(&run.assert_ok().stdout).unwrap();
    let found = events(&run.stderr);
    let planned = found
        .iter()
        .find(|event| event["event"] == "downloads")
        .unwrap();
    assert_eq!(planned["files"], 5);
    let started = found
        .iter()
        .filter(|event| event["event"] == "download-started");
    let bytes: u64 = started
        .clone()
        .map(|event| event["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(
        (started.count(), planned["bytes"].as_u64()),
        (5, Some(bytes))
    );
    let ended = |event: &&Value| event["event"] == "download-ended" && event["result"] == "done";
    assert_eq!(found.iter().filter(ended).count(), 5);
    let passes = |name| names(&found).iter().filter(|found| **found == name).count();
    assert_eq!((passes("pass-started"), passes("pass-ended")), (2, 2));
    let again = user.build(&vendor, &request);
    let cached = events(&again.assert_ok().stderr);
    assert!(cached.iter().any(|event| event["result"] == "cached"));
    vendor.flip("relay/el/8/x86_64/relay-5.3.10-1.x86_64.rpm", 5);
    let empty = user.path("empty");
    let more = [&request[..], &["--cache-dir", text(&empty)]].concat();
    let failed = user.build(&vendor, &more);
    assert_eq!(failed.code, Some(3));
    let found = events(&failed.stderr);
    let last = found.last().unwrap();
    assert_eq!(
        (&last["event"], &last["exit_code"]),
        (&"error".into(), &3.into())
    );
}

#[test]
fn without_a_terminal_there_are_plain_lines_and_with_quiet_none() {
    let (vendor, user) = (Vendor::new(), User::new());
    let run = user.build_el8(&vendor);
    let said = &run.assert_ok().stderr;
    for word in [
        "relay-5.3.10-1.x86_64.rpm: begins (",
        "relay-5.3.10-1.x86_64.rpm: done",
        "writing bundle.tar.zst (",
    ] {
        assert!(said.contains(word), "no {word:?}: {said}");
    }
    assert!(
        said.chars().all(|c| c == '\n' || !c.is_control()),
        "{said:?}"
    );
    let bundle = user.bundle();
    let run = user.run(&["--quiet", "verify", text(&bundle)]);
    assert_eq!(run.assert_ok().stderr, "");
}
