//! Every attack of the catalogue against the shipped installer, from outside. The installer refuses
//! it, explains why, stays small, ends, and leaves the host as it was.
//!
//! `HOSTILE=TEXT cargo test -p lab --test lab hostile:: -- --nocapture` plays only the attacks whose name
//! contains the text, and shows a line for each.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests drive real programs and files, show what they measured, and fail by panicking"
)]

#[cfg(test)]
mod case;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod host;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod trace;
#[cfg(test)]
mod verdicts;

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use case::{Bench, Outcome};
use host::Host;
use lab::hostile::{Attack, Workshop, catalogue};
use lab::program;
use runner::Runner;

/// The documentation promises at least this many attacks.
const ATTACKS_MIN: usize = 60;

/// The attacks that were asked for.
fn wanted() -> Vec<&'static Attack> {
    let only = std::env::var("HOSTILE").unwrap_or_default();
    let mut attacks = catalogue();
    attacks.retain(|attack| attack.name.contains(&only));
    attacks
}

/// Runs a case for each attack, on two threads, and returns the results in order.
fn each<T: Send>(
    attacks: &[&'static Attack],
    case: impl Fn(&'static Attack, &mut Runner) -> T + Sync,
) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut runner = Runner::start();
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = case(attack, &mut runner);
                    done.lock().unwrap().push((attack.name, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(name, _)| attacks.iter().position(|attack| attack.name == *name));
    done.into_iter().map(|(_, result)| result).collect()
}

/// Bypasses the test's capture: the numbers are shown also when all tests pass.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn every_attack_is_refused_and_leaves_the_host_as_it_was() {
    let shop = Workshop::prepare().unwrap();
    let installer = program::installer().unwrap();
    let template = Host::prepare(&shop, &installer, &mut Runner::start());
    let bench = Bench {
        shop: &shop,
        template: &template,
        installer: &installer,
    };
    the_good_bundle_is_installed(&bench);
    let attacks = wanted();
    let chosen = attacks.len() < catalogue().len();
    let outcomes = each(&attacks, |attack, runner| bench.play(attack, runner));
    for outcome in &outcomes {
        let Outcome {
            name,
            code,
            ms,
            peak_kib,
            ..
        } = outcome;
        if chosen {
            println!("{name:52} {code:3} {ms:9.1} ms {:6.1} MiB", mib(*peak_kib));
        }
    }
    let heaviest = outcomes
        .iter()
        .max_by_key(|outcome| outcome.peak_kib)
        .unwrap();
    let slowest = outcomes
        .iter()
        .max_by(|a, b| a.ms.total_cmp(&b.ms))
        .unwrap();
    let refused = outcomes
        .iter()
        .filter(|outcome| outcome.flaws.is_empty())
        .count();
    say(&format!(
        "hostile bundles: {refused} of {} refused; worst memory {:.1} MiB ({}), worst time {:.0} ms ({})",
        outcomes.len(),
        mib(heaviest.peak_kib),
        heaviest.name,
        slowest.ms,
        slowest.name
    ));
    let flaws: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.flaws.is_empty())
        .map(|outcome| format!("{}:\n    {}", outcome.name, outcome.flaws.join("\n    ")))
        .collect();
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
    assert!(attacks.len() >= ATTACKS_MIN || chosen);
}

/// An installer that refuses this proves nothing by refusing the others.
fn the_good_bundle_is_installed(bench: &Bench<'_>) {
    let mut runner = Runner::start();
    let carried = tempfile::tempdir().unwrap();
    let file = carried.path().join("good.tar.zst");
    std::fs::write(&file, bench.shop.good().unwrap()).unwrap();
    let host = bench.template.copy();
    let before = host.picture();
    for command in [&["verify"][..], &[]] {
        let ended = bench.install(&host, command, &file, &mut runner);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    let installed = host.rpm(&["-q", "relay-codec"], &[]);
    assert_eq!(installed, "relay-codec-2.0.0-1.x86_64\n");
    assert_ne!(before, host.picture());
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
