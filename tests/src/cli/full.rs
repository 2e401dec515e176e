//! `lab sweep full`: upgrades on disks that are full or become so, and a table of what became of each.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use lab::sweep::directory_of_sweeps;
use lab::sweep::full::{FullSweep, Place, Trial, full_sweep, table};

#[derive(Args, Debug)]
pub(crate) struct FullArgs {
    /// The least free MiB
    #[arg(long, default_value_t = 0, value_name = "MIB")]
    from: u64,
    /// The most free MiB; what a run needs and a little more, unless given
    #[arg(long, value_name = "MIB")]
    to: Option<u64>,
    /// How many MiB the next size has more; the last one is always tried
    #[arg(long, default_value_t = 1, value_name = "MIB")]
    step: u64,
    /// What is on the small disk; all of them, one after the other, unless given
    #[arg(long, value_enum)]
    place: Option<Disk>,
    /// How many disks that fill up during a run
    #[arg(long, default_value_t = 60)]
    count: u64,
    /// The first of them has this seed; the next has the next one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on with this result file (JSON lines), and keep the results there
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// The installer under test
    #[arg(long, env = "AIRGAP_LAB_INSTALLER", value_name = "FILE")]
    installer: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Disk {
    /// The state directory
    State,
    /// The packages and the rpm database
    Packages,
    /// The whole host
    Root,
    /// No size at all: only disks that fill up during a run
    None,
}

impl FullArgs {
    pub(super) fn run(self) -> Result<ExitCode> {
        let goes_on = self.resume.is_some();
        let unnamed = || directory_of_sweeps().join(format!("full-{}.jsonl", self.seed));
        let places = match self.place {
            None => Place::ALL.to_vec(),
            Some(Disk::State) => vec![Place::State],
            Some(Disk::Packages) => vec![Place::Packages],
            Some(Disk::Root) => vec![Place::Root],
            Some(Disk::None) => Vec::new(),
        };
        let asked = FullSweep {
            installer: self.installer,
            places,
            from: self.from,
            to: self.to,
            step: self.step,
            count: self.count,
            seed: self.seed,
            results: self.resume.unwrap_or_else(unnamed),
            goes_on,
        };
        let trials = full_sweep(&asked, progress)?;
        print!("{}", table(&trials));
        eprintln!("results: {}", asked.results.display());
        let has_failed = trials.iter().any(|trial| !trial.verdict.is_good());
        Ok(ExitCode::from(u8::from(has_failed)))
    }
}

fn progress(trial: &Trial) {
    let seconds = trial.millis / 1000;
    let (case, word) = (&trial.case, trial.verdict.word());
    eprintln!("{}, {}: {word} ({seconds} s)", case.key, case.place);
}
