//! A sample of the power cuts, of a size for CI: `scripts/power-cut` is the whole of it.

use std::path::Path;

use lab::isolated::Image;
use lab::program;
use lab::sweep::Cargo;
use lab::vm::{Case, Moment, PowerSweep, power_sweep, table, unavailable};

use crate::budget;

/// One undisturbed run of the bundle that works is the record from which all of these are cut.
fn is_of_the_sample(case: &Case) -> bool {
    case.cargo == Cargo::Good && matches!(case.moment, Moment::Recorded { .. })
}

#[test]
fn after_every_power_cut_the_host_is_done_or_unchanged_without_help() {
    if Image::prepare_or_skip().is_none() {
        return;
    }
    if let Some(reason) = unavailable() {
        panic!(
            "no power was cut: {reason}. A virtual machine is the only host here that can lose what its \
             disk had not flushed. `scripts/install-needs` installs what is missing"
        );
    }
    // The disks of failed cases stay after the test.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("power");
    let sample = PowerSweep {
        installer: program::installer().unwrap(),
        seeds: (1..)
            .filter(|seed| is_of_the_sample(&Case::draw(*seed)))
            .take(budget::POWER_CUTS)
            .collect(),
        results: directory.join("results.jsonl"),
        goes_on: false,
        keep: directory,
    };
    let trials = power_sweep(&sample, |_| ()).unwrap();
    let text = table(&trials);
    println!("{text}");
    assert_eq!(trials.len(), budget::POWER_CUTS);
    let recovered = trials.iter().filter(|trial| trial.verdict.is_good());
    assert_eq!(recovered.count(), budget::POWER_CUTS, "{text}");
    // Without unflushed bytes a power cut would prove nothing.
    let unsafe_bytes: u64 = trials
        .iter()
        .flat_map(|trial| &trial.cuts)
        .map(|cut| cut.fate.volatile)
        .sum();
    assert!(unsafe_bytes > 0, "no disk had anything to lose: {text}");
}
