//! One case on one host: the run, the kills, the recovery.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::case::{Case, Strike, Victim};
use super::journal;
use super::kit::{BUNDLE, INSTALLER};
use super::processes::{self, Kind};
use super::verdict::{self, Status};
use super::watch::{self, await_moment, await_quiet};
use crate::isolated::{IsolatedHost, Running};

const RECOVERY_DEADLINE: Duration = Duration::from_secs(180);
/// A recovery that meets another one at work (the boot's own) is asked once more.
const RECOVERIES: usize = 2;
const BUSY: i32 = 7;

/// A kill as it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Struck {
    pub strike: Strike,
    /// The last record of the journal then.
    pub phase: String,
    /// Whether there was somebody to kill.
    pub hit: bool,
}

/// What happened, for the record.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) struck: Vec<Struck>,
    /// Everything the installers said.
    pub(super) transcript: String,
}

/// The command that puts a host right without anybody's help.
pub(super) fn recovery_command(host: &IsolatedHost) -> Result<&'static str> {
    let help = host.check(&[INSTALLER, "--help"])?;
    let has_resume = help
        .lines()
        .any(|line| line.split_whitespace().next() == Some("resume"));
    Ok(if has_resume { "resume" } else { "revert" })
}

/// Starts the run of a case, kills as it says, and lets the last recovery finish.
pub(super) fn play(host: &mut IsolatedHost, case: &Case, played: &mut Played) -> Result<Status> {
    let recovery = recovery_command(host)?;
    let mut running = Some(host.spawn(&[INSTALLER, BUNDLE])?);
    for strike in &case.strikes {
        let mut run = if let Some(run) = running.take() {
            run
        } else {
            sleep(Duration::from_millis(case.pause_millis));
            host.spawn(&[INSTALLER, recovery])?
        };
        let has_come = await_moment(host, &mut run, &strike.moment)?;
        let phase = journal::marks(host).pop().unwrap_or_default();
        let hit = has_come && kill(host, strike.victim)?;
        played.struck.push(Struck {
            strike: strike.clone(),
            phase,
            hit,
        });
        if hit && strike.victim.hits_installer() {
            played.note(&mut run)?;
            // What is left of its process group goes with it; rpm has a session of its own.
            drop(run);
            if strike.victim == Victim::Power {
                host.boot_again()?;
            }
        } else {
            running = Some(run);
        }
        if !hit {
            break;
        }
    }
    if let Some(run) = running {
        played.finish(run)?;
    } else {
        sleep(Duration::from_millis(case.pause_millis));
    }
    recover(host, recovery, played)
}

fn recover(host: &IsolatedHost, recovery: &str, played: &mut Played) -> Result<Status> {
    for _ in 0..RECOVERIES {
        if !verdict::status(host)?.is_open {
            break;
        }
        let run = host.spawn(&[INSTALLER, recovery])?;
        let code = played.finish(run)?;
        if code != Some(BUSY) {
            break;
        }
        ensure!(await_quiet(host)?, "the installer at work does not end");
    }
    ensure!(await_quiet(host)?, "an installer or rpm does not end");
    verdict::status(host)
}

/// Kills the victim; `false` when there is nobody to kill.
fn kill(host: &mut IsolatedHost, victim: Victim) -> Result<bool> {
    if victim == Victim::Power {
        host.power_off_hard()?;
        return Ok(true);
    }
    let mut processes = processes::list(host)?;
    processes.retain(|process| match process.kind {
        Kind::Installer => victim != Victim::Rpm,
        Kind::Rpm => victim != Victim::Installer,
    });
    processes
        .sort_by_key(|process| (process.kind == Kind::Rpm) != (victim == Victim::BothRpmFirst));
    processes.iter().for_each(processes::Process::kill);
    Ok(!processes.is_empty())
}

impl Played {
    fn note(&mut self, run: &mut Running) -> Result<()> {
        let (stdout, stderr) = run.output()?;
        self.transcript
            .push_str(&format!("{stderr}{stdout}--- killed ---\n"));
        Ok(())
    }

    fn finish(&mut self, run: Running) -> Result<Option<i32>> {
        let finished = run.wait(RECOVERY_DEADLINE)?;
        self.transcript.push_str(&format!(
            "{}{}--- {} ended with {} ---\n",
            finished.stderr, finished.stdout, finished.argv, finished.status
        ));
        Ok(finished.code())
    }
}

/// Follows a run that nobody disturbs.
pub(super) fn undisturbed(host: &IsolatedHost) -> Result<watch::Timeline> {
    let mut run = host.spawn(&[INSTALLER, BUNDLE])?;
    watch::follow(host, &mut run)
}
