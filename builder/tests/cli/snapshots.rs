//! Snapshots of what the program prints, without what differs between two runs of a test.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

/// What differs, and what stands in its place.
const FILTERS: [(&str, &str); 13] = [
    // Progress: which files began or ended before an error is a race.
    (r"(?m)^  \S+\.rpm: [^\n]*\n", ""),
    (r#"(?m)^\{[^\n]*"event":"(download|pass)[^\n]*\n"#, ""),
    (r"/tmp/\.tmp\w{6}", "[dir]"),
    (r"(127\.0\.0\.1|localhost|\[::1\]):\d+", "$1:[port]"),
    (r"\b[0-9a-f]{64}\b", "[sha256]"),
    (r"\b[0-9A-Fa-f]{40}\b", "[fingerprint]"),
    (r"\b[0-9A-Fa-f]{16}\b", "[key id]"),
    (r"\b\d+(\.\d+)? ([KMG]i?B|bytes)\b", "[size]"),
    (
        r"the (signed metadata|signed list) gives \d+",
        "the $1 gives [size]",
    ),
    (r#""(size|bytes)": ?\d+"#, r#""$1": [size]"#),
    (r"line \d{2,} column \d+", "line [line] column [column]"),
    (r"\b\d+(\.\d+)? ?(ms|s)\b", "[duration]"),
    // Where a changed byte of a packed file shows depends on bytes that differ each time.
    (
        r"(?m)^why: (it is damaged or incomplete|it is not a bundle|`[^`]*` has SHA-256|entry \d+ has an illegal header|its signature is not valid: the signature by)[^\n]*",
        "why: [damage]",
    ),
];

/// How many snapshots each test has made.
static MADE: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// Compares what an invocation printed with its snapshot, which is named after the test and
/// numbered.
pub(crate) fn compare(kind: &str, printed: &str) {
    let thread = std::thread::current();
    let test = thread.name().expect("a test's thread has its name");
    let test = test.replace("::", "-");
    let number = {
        let mut made = MADE.lock().unwrap();
        let number = made.entry(format!("{kind} {test}")).or_default();
        *number += 1;
        *number
    };
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/{kind}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_filters(FILTERS.to_vec());
    let name = format!("{test}-{number}");
    let programs = Path::new(env!("CARGO_BIN_EXE_bundle")).parent().unwrap();
    let printed = printed.replace(&programs.display().to_string(), "[programs]");
    settings.bind(|| insta::assert_snapshot!(name, printed));
}
