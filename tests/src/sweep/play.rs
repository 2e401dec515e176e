//! One case on one host: the run, the kills, the recovery.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::case::{Case, Strike, Victim};
use super::journal;
use super::kit::{BUNDLE, INSTALLER};
use super::processes::{self, Kind, Process};
use super::verdict::{self, Status};
use super::watch::{self, Work};
use crate::isolated::{IsolatedHost, Running};

/// A kill as it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Struck {
    pub strike: Strike,
    /// The last record of the journal then.
    pub phase: String,
    /// Whether there was a process to kill.
    pub hit: bool,
}

/// What happened, for the record.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) struck: Vec<Struck>,
    /// Whether the recovery had to be called: systemd did not take the run up, or there was a kill
    /// too many.
    pub(super) called: bool,
    /// What a person should know, though it is allowed.
    pub(super) notes: Vec<String>,
    /// All output of the installers that the sweep called.
    pub(super) transcript: String,
    /// The exit code of the last of them, if it was not killed.
    pub(super) code: Option<i32>,
    /// How many databases restores have kept aside, on a host with stores.
    pub(super) kept_aside: Option<usize>,
}

/// The command that repairs a host without help.
fn recovery_command(host: &IsolatedHost) -> Result<&'static str> {
    let help = host.check(&[INSTALLER, "--help"])?;
    let has_resume = help
        .lines()
        .any(|line| line.split_whitespace().next() == Some("resume"));
    Ok(if has_resume { "resume" } else { "revert" })
}

/// Starts the run of a case, kills as it defines, and waits until the host has come to rest.
pub(super) fn play(host: &mut IsolatedHost, case: &Case, played: &mut Played) -> Result<Status> {
    let recovery = recovery_command(host)?;
    let mut work = Work::of(host.spawn(&[INSTALLER, BUNDLE])?);
    let mut known = 0;
    for strike in &case.strikes {
        let is_recovery = played
            .struck
            .last()
            .is_some_and(|last| last.strike.victim.ends_the_run());
        let was_asked = played
            .struck
            .last()
            .is_some_and(|last| last.strike.victim.asks());
        if was_asked {
            work.await_end(host)?;
        }
        if is_recovery && !recovers(host, &mut work, recovery, case, played)? {
            break;
        }
        let has_come = work.await_moment(host, known, &strike.moment)?;
        let marks = journal::marks(host);
        let hit = has_come && kill(host, strike.victim)?;
        known = marks.len();
        played.struck.push(Struck {
            strike: strike.clone(),
            phase: marks.last().cloned().unwrap_or_default(),
            hit,
        });
        if !hit {
            break;
        }
        if strike.victim.kills_the_caller()
            && let Some(called) = work.called.take()
        {
            played.note_killed(called)?;
        }
        if strike.victim == Victim::Power {
            host.boot_again()?;
        }
    }
    let status = settle(host, work, recovery, case, played)?;
    note_units(host, played);
    Ok(status)
}

/// Notes which of its own units the installer left.
fn note_units(host: &IsolatedHost, played: &mut Played) {
    if host.exists(watch::RECOVERY_UNIT) {
        played.notes.push("its boot unit is left".to_owned());
    }
}

/// Waits until the run is taken up, or takes it up; `false` when no run is open.
fn recovers(
    host: &IsolatedHost,
    work: &mut Work,
    recovery: &str,
    case: &Case,
    played: &mut Played,
) -> Result<bool> {
    if work.await_start(host)? {
        return Ok(true);
    }
    if !verdict::status(host)?.is_open {
        return Ok(false);
    }
    sleep(Duration::from_millis(case.pause_millis));
    played.called = true;
    *work = Work::of(host.spawn(&[INSTALLER, recovery])?);
    Ok(true)
}

/// Lets everything end by itself, and calls the recovery at most once.
fn settle(
    host: &IsolatedHost,
    mut work: Work,
    recovery: &str,
    case: &Case,
    played: &mut Played,
) -> Result<Status> {
    work.await_end(host)?;
    if let Some(called) = work.called.take() {
        played.note_ended(called)?;
    }
    let status = verdict::status(host)?;
    if !status.is_open {
        return Ok(status);
    }
    sleep(Duration::from_millis(case.pause_millis));
    played.called = true;
    let mut work = Work::of(host.spawn(&[INSTALLER, recovery])?);
    work.await_end(host)?;
    if let Some(called) = work.called {
        played.note_ended(called)?;
    }
    verdict::status(host)
}

/// Runs the installer once more, undisturbed.
pub(super) fn again(host: &IsolatedHost, played: &mut Played) -> Result<Status> {
    let mut work = Work::of(host.spawn(&[INSTALLER, BUNDLE])?);
    work.await_end(host)?;
    if let Some(called) = work.called {
        played.note_ended(called)?;
    }
    verdict::status(host)
}

/// Kills the victim, or asks it to end; `false` when there is no such process.
fn kill(host: &mut IsolatedHost, victim: Victim) -> Result<bool> {
    if victim == Victim::Power {
        host.power_off_hard()?;
        return Ok(true);
    }
    let mut processes = processes::list(host)?;
    processes.retain(|process| match process.kind {
        Kind::Called => victim != Victim::Rpm,
        Kind::InUnit => !matches!(victim, Victim::Rpm | Victim::Caller),
        Kind::Rpm => !matches!(victim, Victim::Installer | Victim::Caller) && !victim.asks(),
    });
    let is_later =
        |process: &Process| (process.kind == Kind::Rpm) != (victim == Victim::BothRpmFirst);
    processes.sort_by_key(is_later);
    for process in &processes {
        process.send(victim.signal());
    }
    Ok(!processes.is_empty())
}

impl Played {
    fn note_killed(&mut self, mut called: Running) -> Result<()> {
        let (stdout, stderr) = called.output()?;
        self.transcript
            .push_str(&format!("{stderr}{stdout}--- killed ---\n"));
        // The drop ends the rest of its process group; rpm has its own session.
        Ok(())
    }

    fn note_ended(&mut self, called: Running) -> Result<()> {
        let finished = called.wait(Duration::ZERO)?;
        self.code = finished.code();
        self.transcript.push_str(&format!(
            "{}{}--- {} ended with {} ---\n",
            finished.stderr, finished.stdout, finished.argv, finished.status
        ));
        Ok(())
    }
}

/// Follows an undisturbed run.
pub(super) fn undisturbed(host: &IsolatedHost) -> Result<watch::Timeline> {
    watch::follow(host, host.spawn(&[INSTALLER, BUNDLE])?)
}
