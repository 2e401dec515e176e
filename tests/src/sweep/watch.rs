//! Waiting for a moment of a run, from outside.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::case::Moment;
use super::journal;
use super::processes;
use crate::isolated::{IsolatedHost, Running};

const POLL: Duration = Duration::from_millis(2);
/// Nothing that a case waits for takes longer, except on a broken machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// What an undisturbed run did, and when: in milliseconds since its start.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    pub(super) marks: Vec<(String, u64)>,
    /// How long each rpm transaction took.
    pub(super) rpm_millis: Vec<u64>,
    pub(super) millis: u64,
}

/// Waits until `moment` has come; `false` when the run ended before.
pub(super) fn await_moment(
    host: &IsolatedHost,
    run: &mut Running,
    moment: &Moment,
) -> Result<bool> {
    let started = Instant::now();
    let known = journal::marks(host).len();
    let mut seen: Vec<u32> = Vec::new();
    loop {
        // Asked first: what had come before the end is still seen after it.
        let has_ended = !run.is_running()?;
        let later = match moment {
            Moment::After { millis, .. } => {
                (started.elapsed() >= Duration::from_millis(*millis)).then_some(0)
            }
            Moment::Phase { mark, later_millis } => journal::marks(host)
                .iter()
                .skip(known)
                .any(|found| found == mark)
                .then_some(*later_millis),
            Moment::Rpm { number, millis, .. } => {
                note_rpms(host, &mut seen)?;
                (seen.len() > *number).then_some(*millis)
            }
        };
        if has_ended || started.elapsed() > DEADLINE {
            return Ok(false);
        }
        if let Some(millis) = later {
            sleep(Duration::from_millis(millis));
            return run.is_running().map_err(Into::into);
        }
        sleep(POLL);
    }
}

fn note_rpms(host: &IsolatedHost, seen: &mut Vec<u32>) -> Result<bool> {
    let now = processes::transactions(host)?;
    for pid in &now {
        if !seen.contains(pid) {
            seen.push(*pid);
        }
    }
    Ok(!now.is_empty())
}

/// Follows an undisturbed run to its end.
pub(super) fn follow(host: &IsolatedHost, run: &mut Running) -> Result<Timeline> {
    let started = Instant::now();
    let now = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut line = Timeline::default();
    let (mut seen, mut at_work) = (Vec::new(), None);
    loop {
        let is_running = run.is_running()?;
        let marks = journal::marks(host);
        let known = line.marks.len();
        line.marks
            .extend(marks.into_iter().skip(known).map(|mark| (mark, now())));
        match (note_rpms(host, &mut seen)?, at_work) {
            (true, None) => at_work = Some(now()),
            (false, Some(since)) => {
                line.rpm_millis.push(now() - since);
                at_work = None;
            }
            _ => {}
        }
        line.millis = now();
        if !is_running || started.elapsed() > DEADLINE {
            return Ok(line);
        }
        sleep(POLL);
    }
}

/// Waits until no installer and no rpm is at work in the host; says whether that came.
pub(super) fn await_quiet(host: &IsolatedHost) -> Result<bool> {
    let started = Instant::now();
    while !processes::list(host)?.is_empty() {
        if started.elapsed() > DEADLINE {
            return Ok(false);
        }
        sleep(Duration::from_millis(20));
    }
    Ok(true)
}
