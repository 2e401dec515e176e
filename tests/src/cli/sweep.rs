//! `lab sweep`: many upgrades that are disturbed, and a table of what became of each.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use lab::isolated::{RpmDatabase, unavailable};
use lab::sweep::{Sweep, Trial, Way, directory_of_sweeps, sweep, table};

use super::full::FullArgs;
use super::power::PowerArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// SIGKILL the installer, rpm, both, or the whole host, in a run and in its recovery
    Kill(KillArgs),
    /// Cut the power of a virtual machine, in a run and in its recovery
    Power(PowerArgs),
    /// Disks with every number of MiB free, and disks that fill up during a run
    Full(FullArgs),
}

#[derive(Args, Debug)]
pub(crate) struct KillArgs {
    /// How many upgrades to disturb
    #[arg(long, default_value_t = 60)]
    count: u64,
    /// The first case's seed; the next has the next one. `--count 1` replays a single case
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on with this result file (JSON lines), and keep the results there
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// How many kills of a plain `rpm -U`, recovered by plain rpm, to put beside them
    #[arg(long, default_value_t = 0, value_name = "N")]
    baseline: u64,
    /// Put a Redis and a `PostgreSQL` with data on every host, and judge these, too
    #[arg(long, conflicts_with = "baseline")]
    stores: bool,
    /// What the hosts' rpm keeps its database in
    #[arg(long, value_enum, default_value_t)]
    database: RpmDatabase,
    /// The installer under test
    #[arg(long, env = "AIRGAP_LAB_INSTALLER", value_name = "FILE")]
    installer: PathBuf,
}

impl Command {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(reason) = unavailable() {
            bail!("{reason}");
        }
        let args = match self {
            Self::Kill(args) => args,
            Self::Power(args) => return args.run(),
            Self::Full(args) => return args.run(),
        };
        let goes_on = args.resume.is_some();
        let unnamed = || {
            let stores = if args.stores { "stores-" } else { "" };
            let name = format!("kill-{stores}{:?}-{}.jsonl", args.database, args.seed);
            directory_of_sweeps().join(name.to_lowercase())
        };
        let asked = Sweep {
            installer: args.installer,
            database: args.database,
            count: args.count,
            seed: args.seed,
            baseline: args.baseline,
            stores: args.stores,
            results: args.resume.unwrap_or_else(unnamed),
            goes_on,
        };
        let trials = sweep(&asked, progress)?;
        print!("{}", table(&trials));
        eprintln!("results: {}", asked.results.display());
        let is_bad = |trial: &Trial| trial.way == Way::Installer && !trial.verdict.is_good();
        Ok(ExitCode::from(u8::from(trials.iter().any(is_bad))))
    }
}

fn progress(trial: &Trial) {
    let Trial {
        seed,
        cargo,
        verdict,
        millis,
        ..
    } = trial;
    let seconds = *millis / 1000;
    eprintln!("{seed} {cargo}: {} ({seconds} s)", verdict.word());
}
