//! `lab sweep power`: many upgrades whose machine loses its power, and a table of what became of each.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use lab::sweep::directory_of_sweeps;
use lab::vm::{PowerSweep, Trial, end_on_signals, power_sweep, table, unavailable};

#[derive(Args, Debug)]
pub(crate) struct PowerArgs {
    /// How many upgrades to disturb
    #[arg(long, default_value_t = 40)]
    count: u64,
    /// The first case's seed; the next has the next one. `--count 1` replays a single case
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on with this result file (JSON lines), and keep the results there
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Keep the disks of failures in this directory, as the last cut left them, and not beside the results
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The installer under test
    #[arg(long, env = "AIRGAP_LAB_INSTALLER", value_name = "FILE")]
    installer: PathBuf,
}

impl PowerArgs {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(reason) = unavailable() {
            bail!("{reason}");
        }
        let goes_on = self.resume.is_some();
        let unnamed = || directory_of_sweeps().join(format!("power-{}.jsonl", self.seed));
        let results = self.resume.unwrap_or_else(unnamed);
        let asked = PowerSweep {
            installer: self.installer,
            seeds: (self.seed..)
                .zip(0..self.count)
                .map(|(seed, _)| seed)
                .collect(),
            keep: self.keep.unwrap_or_else(|| beside(&results)),
            results,
            goes_on,
        };
        let file = asked.results.clone();
        end_on_signals(move || {
            eprintln!("interrupted; it goes on with --resume {}", file.display());
        })?;
        let trials = power_sweep(&asked, progress)?;
        print!("{}", table(&trials));
        eprintln!("results: {}", asked.results.display());
        let has_failed = trials.iter().any(|trial| !trial.verdict.is_good());
        Ok(ExitCode::from(u8::from(has_failed)))
    }
}

fn beside(results: &Path) -> PathBuf {
    results.parent().unwrap_or(Path::new("")).to_owned()
}

fn progress(trial: &Trial) {
    let (case, seconds) = (&trial.case, trial.millis / 1000);
    eprintln!(
        "{} {} {}: {} ({seconds} s)",
        case.seed,
        case.cargo,
        case.moment,
        trial.verdict.word()
    );
}
