//! A sample of the kill sweep, of a size for CI: `scripts/kill-sweep` is the whole of it.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use lab::isolated::{Image, RpmDatabase};
use lab::program;
use lab::sweep::{Sweep, sweep, table};

use crate::budget;

const SEED: u64 = 1;
const SEED_WITH_STORES: u64 = 54;

fn sample(database: RpmDatabase, stores: bool, count: u64) {
    if Image::prepare_with_or_skip(database).is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sample = Sweep {
        installer: program::installer().unwrap(),
        database,
        count,
        seed: if stores { SEED_WITH_STORES } else { SEED },
        baseline: 0,
        stores,
        results: dir.path().join("results.jsonl"),
        goes_on: false,
    };
    let trials = sweep(&sample, |_| ()).unwrap();
    let text = table(&trials);
    assert_eq!(trials.len() as u64, count);
    assert!(trials.iter().all(|trial| trial.verdict.is_good()), "{text}");
}

#[test]
fn after_every_kill_the_host_is_done_or_unchanged_as_reported() {
    sample(RpmDatabase::Sqlite, false, budget::KILLS);
}

#[test]
fn the_same_with_berkeley_db() {
    sample(
        RpmDatabase::BerkeleyDb,
        false,
        budget::KILLS_WITH_BERKELEY_DB,
    );
}

#[test]
fn the_same_with_stores_that_keep_or_migrate_their_data() {
    sample(RpmDatabase::Sqlite, true, budget::KILLS_WITH_STORES);
}
