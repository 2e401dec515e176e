//! The power cut. The lab's isolated host runs as a virtual machine without a network. Its power
//! goes at a moment that a seed chooses, in an upgrade and again in the recovery from it. Then it
//! boots without help, and it is judged.
//!
//! A machine runs under `qemu` without KVM, with the distribution's cloud kernel, from a raw disk with
//! the files of [`crate::isolated`]'s host. It has no network device; the lab speaks to it by a port.
//!
//! What a power cut takes here:
//!
//! * every process at once, the kernel with them (SIGKILL of qemu);
//! * what the kernel had in its page cache and had not handed to the disk;
//! * of what it had handed to the disk and not yet flushed, any part that the seed chooses, in
//!   pieces of 4 KiB and in any order (`write_log`).
//!
//! Not modelled: a disk that lies about flushes or tears a piece of 4 KiB, XFS (the file system is
//! ext4 with the kernel's defaults), RAID, a hypervisor's own cache, a clock that loses its time.

mod case;
mod channel;
mod console;
mod disk;
mod interrupt;
mod look;
mod machine;
mod parts;
mod play;
mod ready;
mod results;
mod table;
mod workplace;
mod write_log;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

pub use self::case::{Case, Moment};
pub use self::interrupt::end_on_signals;
pub use self::play::Cut;
use self::play::{Found, play};
use self::ready::{Ready, millis};
pub use self::results::Trial;
pub use self::table::table;
pub use self::write_log::Fate;
use crate::sweep::{Results, Verdict};

/// What to sweep.
#[derive(Clone, Debug)]
pub struct PowerSweep {
    /// The program under test.
    pub installer: PathBuf,
    /// The cases.
    pub seeds: Vec<u64>,
    /// Results, one JSON line per case.
    pub results: PathBuf,
    /// Whether cases that the results hold already are skipped.
    pub goes_on: bool,
    /// Where the disks of failures go, as the last cut left them.
    pub keep: PathBuf,
}

/// Returns why virtual machines cannot run here, or `None` when they can.
#[must_use]
pub fn unavailable() -> Option<String> {
    let is_there = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    };
    crate::isolated::unavailable().or_else(|| {
        ["qemu-system-x86_64", "mkfs.ext4", "setpriv"]
            .into_iter()
            .find(|program| !is_there(program))
            .map(|program| format!("a power cut needs `{program}`"))
    })
}

/// Plays every case; `listen` is called as each ends. Returns all, in order. One machine runs at a
/// time: a second one would shift the moments of the first.
pub fn power_sweep(asked: &PowerSweep, listen: impl Fn(&Trial)) -> Result<Vec<Trial>> {
    let ready = Ready::prepare(&asked.installer)?;
    let results = Results::<Trial>::open(&asked.results, asked.goes_on, &ready.key)?;
    let mut trials = results.known().to_vec();
    let is_known = |seed: u64| trials.iter().any(|trial| trial.case.seed == seed);
    let open: Vec<Case> = asked
        .seeds
        .iter()
        .filter(|seed| !is_known(**seed))
        .map(|seed| Case::draw(*seed))
        .collect();
    // An undisturbed run that fails is not a verdict on a power cut.
    for case in &open {
        ready.course(case.cargo)?;
    }
    for case in &open {
        let trial = try_case(&ready, case, asked)?;
        results.add(&trial)?;
        listen(&trial);
        trials.push(trial);
    }
    trials.retain(|trial| asked.seeds.contains(&trial.case.seed));
    trials.sort_by_key(|trial| trial.case.seed);
    Ok(trials)
}

fn try_case(ready: &Ready, case: &Case, asked: &PowerSweep) -> Result<Trial> {
    let started = Instant::now();
    let mut found = Found::default();
    let disk = asked.keep.join(format!("power-{}.ext4", case.seed));
    let verdict = play(ready, case, &disk, &mut found).unwrap_or_else(|error| Verdict::Failed {
        reasons: vec![format!("{error:#}")],
    });
    let evidence = results::keep_evidence(&asked.results, case.seed, &verdict, &found.evidence)?;
    Ok(Trial {
        case: case.clone(),
        ready: ready.key.clone(),
        cuts: found.cuts,
        recovery_millis: found.recovery_millis,
        verdict,
        millis: millis(started.elapsed()),
        evidence,
    })
}
