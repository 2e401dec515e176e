//! Tests that cannot run on this machine. Each is noted in the file that `AIRGAP_LAB_SKIPPED`
//! names, which `scripts/check` and `scripts/test` list and count. In CI such a test fails.

#![expect(
    clippy::print_stderr,
    reason = "a skipped test leaves a line where it can be seen"
)]

use std::fs::File;
use std::io::Write as _;

/// Names the file that takes one line for each skipped test.
const LIST_ENV: &str = "AIRGAP_LAB_SKIPPED";

/// Notes that the test which calls this cannot run here, and why. The test returns after it.
///
/// # Panics
///
/// In CI (`CI=true`), where every test has to run.
#[macro_export]
macro_rules! skipped {
    ($($why:tt)+) => {
        $crate::skip::note(&format!($($why)+))
    };
}

/// What [`skipped!`](crate::skipped) does.
///
/// # Panics
///
/// In CI (`CI=true`), and when the list cannot be written.
#[track_caller]
pub fn note(why: &str) {
    assert!(!in_ci(), "in CI this test must run: {why}");
    let line = format!("{}: {why}\n", test_name());
    eprint!("skipped: {line}");
    let Some(list) = std::env::var_os(LIST_ENV) else {
        return;
    };
    // One write to a file in append mode keeps a line whole, also when several processes write.
    let written = File::options()
        .create(true)
        .append(true)
        .open(&list)
        .and_then(|mut list| list.write_all(line.as_bytes()));
    if let Err(error) = written {
        panic!("cannot note a skipped test in {}: {error}", list.display());
    }
}

fn test_name() -> String {
    let of_thread = || std::thread::current().name().map(str::to_owned);
    std::env::var("NEXTEST_TEST_NAME")
        .ok()
        .or_else(of_thread)
        .unwrap_or_default()
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}
