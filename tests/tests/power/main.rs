//! A sample of the power cuts, of a size for CI: `scripts/power-cut` is the whole of it.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build real programs, show what they found, and fail by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use lab::isolated::Image;
use lab::sweep::Cargo;
use lab::vm::{Case, Moment, PowerSweep, power_sweep, table, unavailable};

const COUNT: usize = 8;

/// The installer that `AIRGAP_LAB_INSTALLER` names, as `scripts/test` does with the portable one; else
/// a debug build.
fn installer() -> PathBuf {
    if let Some(shipped) = std::env::var_os("AIRGAP_LAB_INSTALLER") {
        return shipped.into();
    }
    let build = ["build", "--quiet", "-p", "installer", "--bin", "install"];
    assert!(
        Command::new(env!("CARGO"))
            .args(build)
            .status()
            .unwrap()
            .success()
    );
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("install")
}

/// One undisturbed run of the bundle that works is the record from which all of these are cut.
fn is_of_the_sample(case: &Case) -> bool {
    case.cargo == Cargo::Good && matches!(case.moment, Moment::Recorded { .. })
}

#[test]
fn whenever_the_power_goes_the_host_is_done_or_unchanged_with_nobody_helping() {
    if Image::prepare_or_skip().is_none() {
        return;
    }
    if let Some(reason) = unavailable() {
        panic!(
            "no power was cut: {reason}. A virtual machine is the only host here that can lose what its \
             disk had not flushed. `scripts/install-needs` installs what is missing"
        );
    }
    // What failed is still there after the test.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("power");
    let sample = PowerSweep {
        installer: installer(),
        seeds: (1..)
            .filter(|seed| is_of_the_sample(&Case::draw(*seed)))
            .take(COUNT)
            .collect(),
        results: directory.join("results.jsonl"),
        goes_on: false,
        keep: directory,
    };
    let trials = power_sweep(&sample, |_| ()).unwrap();
    let text = table(&trials);
    println!("{text}");
    assert_eq!(trials.len(), COUNT);
    let recovered = trials.iter().filter(|trial| trial.verdict.is_good());
    assert_eq!(recovered.count(), COUNT, "{text}");
    // Else nothing was at stake.
    let lost: u64 = trials
        .iter()
        .flat_map(|trial| &trial.cuts)
        .map(|cut| cut.fate.lost)
        .sum();
    assert!(lost > 0, "no disk lost anything: {text}");
}
