//! A sample of the disk-full sweep, of a size for CI: `scripts/disk-full` is the whole of it.

use lab::isolated::Image;
use lab::program;
use lab::sweep::full::{Filling, FullSweep, Place, Trial, full_sweep, table};

use crate::budget;

/// Among these are disks that fill up within an rpm transaction, and disks that are kept full.
const SEED: u64 = 17;

#[test]
fn on_a_full_disk_the_host_is_done_or_unchanged_as_reported() {
    if Image::prepare_or_skip().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sample = FullSweep {
        installer: program::installer().unwrap(),
        places: Place::ALL.to_vec(),
        from: 0,
        to: None,
        step: budget::DISK_STEP_MIB,
        count: budget::DISKS_FILLING_UP,
        seed: SEED,
        results: dir.path().join("results.jsonl"),
        goes_on: false,
    };
    let trials = full_sweep(&sample, |_| ()).unwrap();
    let text = table(&trials);
    println!("{text}");
    assert!(trials.iter().all(|trial| trial.verdict.is_good()), "{text}");
    for place in Place::ALL {
        let of_place = || trials.iter().filter(|trial| trial.case.place == place);
        // Without any space no run begins; with the space that a run asks for it is done.
        let sizes: Vec<&Trial> = of_place()
            .filter(|trial| matches!(trial.case.filling, Filling::Before { .. }))
            .collect();
        assert_eq!(sizes[0].exit, Some(4), "{text}");
        assert_eq!(sizes[sizes.len() - 1].exit, Some(0), "{text}");
    }
    // Some disks became full when the host had been changed already.
    let is_late = |trial: &Trial| trial.reached.ends_with(":failed");
    assert!(trials.iter().any(is_late), "{text}");
}
