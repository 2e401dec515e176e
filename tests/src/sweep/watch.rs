//! Waiting for a moment of a run, from outside.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::case::Moment;
use super::{journal, processes};
use crate::isolated::{Guest, IsolatedHost, Running};

/// The first instants after a record of the journal.
const REACH_MILLIS: u64 = 60;
const POLL: Duration = Duration::from_millis(4);
/// Every wait of a case is shorter, except on a broken machine.
const DEADLINE: Duration = Duration::from_secs(120);
/// As long as this is there, systemd may take a run up by itself.
pub(super) const RECOVERY_UNIT: &str = "/etc/systemd/system/airgap-bundle-recover.service";
/// It does so a second after a crash.
const UNIT_RESTARTS: Duration = Duration::from_millis(2500);

/// What an undisturbed run did, and when: in milliseconds since its start.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    pub(super) marks: Vec<(String, u64)>,
    /// How long each rpm transaction took.
    pub(super) rpm_millis: Vec<u64>,
    pub(super) millis: u64,
    /// Whether a kill at a record of the journal comes at any time until the next one. Dumps and restores
    /// are long; without them the first instants of a step are its interesting ones.
    pub(super) reaches_on: bool,
}

impl Timeline {
    /// How much later than a record a kill may come.
    pub(super) fn reach_millis(&self, at: usize) -> u64 {
        let next = self.marks.get(at + 1).map_or(self.millis, |(_, at)| *at);
        let gap = self.marks.get(at).map_or(0, |(_, at)| next - at);
        if self.reaches_on {
            gap.max(REACH_MILLIS)
        } else {
            REACH_MILLIS
        }
    }
}

/// The processes at work in a host: the installer that was called, one in a unit, an rpm.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The installer that was called, unless it was killed.
    pub(super) called: Option<Running>,
    idle_since: Option<Instant>,
}

impl Work {
    pub(super) fn of(called: Running) -> Self {
        Self {
            called: Some(called),
            idle_since: None,
        }
    }

    /// Whether no process is at work, and none will start unless it is called.
    pub(super) fn is_over(&mut self, guest: &Guest) -> Result<bool> {
        let is_called = match &mut self.called {
            Some(called) => called.is_running()?,
            None => false,
        };
        if is_called || !processes::list(guest)?.is_empty() {
            self.idle_since = None;
            return Ok(false);
        }
        let idle_since = *self.idle_since.get_or_insert_with(Instant::now);
        Ok(!guest.exists(RECOVERY_UNIT) || idle_since.elapsed() > UNIT_RESTARTS)
    }

    /// Waits until it is over.
    pub(super) fn await_end(&mut self, guest: &Guest) -> Result<()> {
        let started = Instant::now();
        while !self.is_over(guest)? {
            ensure!(
                started.elapsed() < DEADLINE,
                "an installer or rpm does not end"
            );
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until a process is at work; `false` when none starts.
    pub(super) fn await_start(&mut self, guest: &Guest) -> Result<bool> {
        while processes::list(guest)?.is_empty() {
            if self.is_over(guest)? {
                return Ok(false);
            }
            sleep(POLL);
        }
        Ok(true)
    }

    /// Waits until `moment` has come; `false` when all was over before. Only the journal's records
    /// after the first `known` ones count.
    pub(super) fn await_moment(
        &mut self,
        host: &IsolatedHost,
        known: usize,
        moment: &Moment,
    ) -> Result<bool> {
        let started = Instant::now();
        let mut rpms = Vec::new();
        loop {
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
                    note_rpms(host, &mut rpms)?;
                    (rpms.len() > *number).then_some(*millis)
                }
            };
            if let Some(millis) = later {
                sleep(Duration::from_millis(millis));
                return Ok(true);
            }
            if self.is_over(host)? {
                return Ok(false);
            }
            ensure!(started.elapsed() < DEADLINE, "{moment} does not come");
            sleep(POLL);
        }
    }
}

/// Adds the rpm transactions that are at work to `seen`, and returns whether there are any.
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
pub(super) fn follow(host: &IsolatedHost, called: Running) -> Result<Timeline> {
    let started = Instant::now();
    let now = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut work = Work::of(called);
    let mut line = Timeline::default();
    let (mut rpms, mut at_work) = (Vec::new(), None);
    loop {
        // This is asked first: what came before the end is still seen after it.
        let is_over = work.is_over(host)?;
        let marks = journal::marks(host);
        let known = line.marks.len();
        line.marks
            .extend(marks.into_iter().skip(known).map(|mark| (mark, now())));
        match (note_rpms(host, &mut rpms)?, at_work) {
            (true, None) => at_work = Some(now()),
            (false, Some(since)) => {
                line.rpm_millis.push(now() - since);
                at_work = None;
            }
            _ => {}
        }
        line.millis = now();
        if is_over {
            return Ok(line);
        }
        ensure!(
            started.elapsed() < DEADLINE,
            "an undisturbed run does not end"
        );
        sleep(POLL);
    }
}
