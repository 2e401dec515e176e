//! One case on one host: the run, the full disk, what follows.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::case::{Case, Filling};
use super::lost_its_reserve;
use crate::isolated::{Ballast, Hoarder, IsolatedHost, Running};
use crate::sweep::journal;
use crate::sweep::kit::{BUNDLE, INSTALLER};
use crate::sweep::verdict::{self, Status, Verdict};
use crate::sweep::watch::{RECOVERY_UNIT, Work};

const RESERVE: &str = "/var/lib/airgap-bundle/reserve";
pub(super) const REVERT: &str = "revert:";
pub(super) const FAILED: &str = ":failed";

/// What happened, for the record.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// What the command that started the run exited with.
    pub(super) exit: Option<i32>,
    /// How far the run came: its last step forward.
    pub(super) reached: String,
    /// Where its disk became full, if that was during the run and before its end.
    pub(super) filled_at: Option<String>,
    /// Whether `install resume` had to be called.
    pub(super) is_resumed: bool,
    /// Whether that did not help before the space was given back.
    pub(super) has_waited: bool,
    /// All output of the installer that the sweep called.
    pub(super) transcript: String,
}

/// Fills the disk as the case defines, runs, and waits until the host has come to rest. In the end the
/// disk has all of its space again.
pub(super) fn play(host: &IsolatedHost, case: &Case, played: &mut Played) -> Result<Status> {
    let ballast = host.ballast().context("a host without its disk")?;
    if let Filling::Before { mib } = case.filling {
        ballast.leave(mib << 20)?;
    }
    let mut work = Work::of(host.spawn(&[INSTALLER, BUNDLE])?);
    let hoarder = fill(host, &mut work, ballast, case, played)?;
    played.exit = end(host, work, played)?;
    let mut status = verdict::status(host)?;
    played.reached = reached(&journal::marks(host));
    if status.is_open {
        played.is_resumed = true;
        status = resume(host, played)?;
    }
    drop(hoarder);
    ballast.give_back()?;
    if status.is_open {
        played.has_waited = true;
        played
            .transcript
            .push_str("--- the space was given back ---\n");
        status = resume(host, played)?;
    }
    Ok(status)
}

/// Fills the disk when its moment comes.
fn fill(
    host: &IsolatedHost,
    work: &mut Work,
    ballast: &Ballast,
    case: &Case,
    played: &mut Played,
) -> Result<Option<Hoarder>> {
    let Filling::During {
        moment,
        kib,
        is_kept,
    } = &case.filling
    else {
        return Ok(None);
    };
    if !work.await_moment(host, 0, moment)? {
        return Ok(None);
    }
    let bytes = kib << 10;
    ballast.leave(bytes)?;
    let marks = journal::marks(host);
    played.filled_at = Some(marks.last().cloned().unwrap_or_default());
    Ok(is_kept.then(|| ballast.hoard(bytes)))
}

fn resume(host: &IsolatedHost, played: &mut Played) -> Result<Status> {
    let work = Work::of(host.spawn(&[INSTALLER, "resume"])?);
    end(host, work, played)?;
    verdict::status(host)
}

/// Runs the installer once more, with all the space there is.
pub(super) fn again(host: &IsolatedHost, played: &mut Played) -> Result<Status> {
    let work = Work::of(host.spawn(&[INSTALLER, BUNDLE])?);
    end(host, work, played)?;
    verdict::status(host)
}

/// Waits until no installer or rpm is at work, and returns the exit code of the called installer.
fn end(host: &IsolatedHost, mut work: Work, played: &mut Played) -> Result<Option<i32>> {
    work.await_end(host)?;
    let Some(called) = work.called.take() else {
        return Ok(None);
    };
    played.note(called)
}

impl Played {
    fn note(&mut self, called: Running) -> Result<Option<i32>> {
        let finished = called.wait(Duration::ZERO)?;
        self.transcript.push_str(&format!(
            "{}{}--- {} ended with {} ---\n",
            finished.stderr, finished.stdout, finished.argv, finished.status
        ));
        Ok(finished.status.code())
    }

    /// Adds to a verdict what a full disk must not do.
    pub(super) fn compare(&self, host: &IsolatedHost, case: &Case, verdict: Verdict) -> Verdict {
        let mut reasons = Vec::new();
        if self.has_waited && !lost_its_reserve(case, self.filled_at.as_deref()) {
            reasons.push("the run needed more than what its reserve gave up".to_owned());
        }
        for path in [RESERVE, RECOVERY_UNIT] {
            if host.exists(path) {
                reasons.push(format!("{path} is left"));
            }
        }
        let agrees = match (&verdict, self.exit) {
            // The exit code came before the resume, so it need not agree.
            _ if self.is_resumed => true,
            (Verdict::Done, exit) => exit == Some(0),
            (Verdict::Unchanged, exit) => matches!(exit, Some(1 | 4 | 5)),
            (Verdict::Failed { .. }, _) => true,
        };
        if !agrees {
            reasons.push(format!("the exit code is {:?}", self.exit));
        }
        verdict.with(reasons)
    }
}

/// The last step forward of a journal, and how it ended there.
fn reached(marks: &[String]) -> String {
    let forward = || marks.iter().filter(|mark| !mark.starts_with(REVERT));
    let failed = forward().find(|mark| mark.ends_with(FAILED));
    failed
        .or_else(|| forward().next_back())
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn the_step_that_failed_is_how_far_a_run_came() {
        let marks = ["backup:done", "hold:a:failed", "revert:hold:done"].map(str::to_owned);
        assert_eq!(reached(&marks), "hold:a:failed");
        assert_eq!(reached(&marks[..1]), "backup:done");
        assert_eq!(reached(&[]), "");
    }
}
