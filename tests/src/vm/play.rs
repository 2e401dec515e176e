//! One case: the run, the cuts, the boots, the recovery that starts by itself, and the judgement.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::case::{Case, Moment, share};
use super::console;
use super::disk::INSTALLER;
use super::look::Look;
use super::machine::{Hardware, Machine};
use super::ready::{Course, Ready, command, millis};
use super::workplace::{Workplace, copy_disk, keep_disk};
use super::write_log::{Fate, WriteLog};
use crate::sweep::{Chance, Status, Verdict, compare, parse};

/// Longer than any run: a run that hangs must not hang the sweep.
const RUN_DEADLINE: Duration = Duration::from_secs(3600);
const RECOVERY_DEADLINE: Duration = Duration::from_mins(50);
/// Only ends what hangs, as the other deadlines do.
const ASK_DEADLINE: Duration = Duration::from_mins(10);
const RECOVERY_POLL: Duration = Duration::from_secs(1);
/// How often an open run without a process is looked at before it counts as abandoned.
const IDLE_LOOKS: u32 = 5;
/// A recovery is about as long as the part of a run that it puts back.
const RECOVERY_PERMILLE: u64 = 600;

const EVIDENCE: &str = "cat /root/said; ls -lR /var/lib/airgap-bundle/runs; \
     tail -n 200 /var/lib/airgap-bundle/runs/*/journal; \
     journalctl --no-pager -b -o short-monotonic -u 'airgap-bundle*' -u 'tyk-*' | tail -n 200";

/// A power cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// After the start of the run, or after the machine was switched on; of a recorded run about.
    pub at_millis: u64,
    /// The exit code, if the installer had ended by then.
    pub ended: Option<i32>,
    /// What the disk kept.
    pub fate: Fate,
    /// The last record of the journal that the next boot found, as `step:phase`.
    pub journal: Option<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) cuts: Vec<Cut>,
    /// From the last switching on to a closed run.
    pub(super) recovery_millis: u64,
    /// The evidence of a failure, for a person.
    pub(super) evidence: String,
}

/// Plays a case. `found` holds what is known, even when this fails. If the case fails, `keep`
/// becomes the disk as the last cut left it.
pub(super) fn play(ready: &Ready, case: &Case, keep: &Path, found: &mut Found) -> Result<Verdict> {
    let course = ready.course(case.cargo)?;
    let stage = Stage::set(ready, case)?;
    let mut losses = case.losses();
    let cut = stage.cut_run(&course, &mut losses)?;
    found.cuts.push(cut);
    for permille in &case.again {
        let cut = stage.cut_recovery(&course, *permille, &mut losses, found)?;
        found.cuts.push(cut);
    }
    copy_disk(&stage.disk, &stage.at_work)?;
    let mut machine = stage.switch_on(&stage.at_work, None)?;
    let outcome = conclude(&mut machine, ready, &course, found);
    if !matches!(&outcome, Ok(verdict) if verdict.is_good()) {
        let said = machine.run(EVIDENCE, ASK_DEADLINE);
        let said = said.map_or_else(|error| format!("{error:#}"), |said| said.stdout);
        found.evidence = format!("{}\n{said}", machine.console());
        keep_disk(&stage.disk, keep)?;
    }
    outcome
}

/// Boots for the last time, and judges.
fn conclude(
    machine: &mut Machine,
    ready: &Ready,
    course: &Course,
    found: &mut Found,
) -> Result<Verdict> {
    machine.await_ready()?;
    note_journal(machine, found);
    let status = await_recovery(machine)?;
    found.recovery_millis = millis(machine.age());
    let look = Look::at(machine)?;
    let verdict = judge(&ready.first.before, course.done.as_ref(), &look);
    Ok(promised(compare(verdict, &status), &found.cuts))
}

/// What a boot found in the journal belongs to the cut before it.
fn note_journal(machine: &Machine, found: &mut Found) {
    if let Some(cut) = found.cuts.last_mut() {
        cut.journal = console::last_record(&machine.console());
    }
}

struct Stage<'a> {
    ready: &'a Ready,
    case: &'a Case,
    place: Workplace,
    /// As the last cut left it.
    disk: PathBuf,
    /// The one a machine works on until its power is cut.
    at_work: PathBuf,
    log: PathBuf,
}

impl<'a> Stage<'a> {
    fn set(ready: &'a Ready, case: &'a Case) -> Result<Self> {
        let place = Workplace::claim()?;
        let [disk, at_work, log] = ["disk", "at-work", "log"].map(|name| place.join(name));
        ready.copy_disk(&disk)?;
        Ok(Self {
            ready,
            case,
            place,
            disk,
            at_work,
            log,
        })
    }

    fn cut_run(&self, course: &Course, losses: &mut Chance) -> Result<Cut> {
        if let Moment::Recorded { permille } = self.case.moment {
            let mut log = WriteLog::open(&self.ready.record(self.case.cargo))?;
            log.cut_short(permille);
            return self.settle(&log, share(course.millis, permille), None, losses);
        }
        copy_disk(&self.disk, &self.at_work)?;
        let mut machine = self.ready.wake(&self.place, &self.at_work, &self.log)?;
        machine.begin(&command(self.case.cargo))?;
        let started = Instant::now();
        let ended = self.await_moment(&mut machine, course)?;
        let at_millis = millis(started.elapsed());
        machine.cut()?;
        self.settle(&WriteLog::open(&self.log)?, at_millis, ended, losses)
    }

    fn cut_recovery(
        &self,
        course: &Course,
        permille: u64,
        losses: &mut Chance,
        found: &mut Found,
    ) -> Result<Cut> {
        copy_disk(&self.disk, &self.at_work)?;
        let machine = self.switch_on(&self.at_work, Some(&self.log))?;
        // The firmware and the kernel take the first seconds of a boot.
        let quiet = self.ready.first.agent_millis / 2;
        let busy = self.ready.first.boot_millis - quiet + share(course.millis, RECOVERY_PERMILLE);
        let at_millis = quiet + share(busy, permille);
        std::thread::sleep(Duration::from_millis(at_millis));
        note_journal(&machine, found);
        machine.cut()?;
        self.settle(&WriteLog::open(&self.log)?, at_millis, None, losses)
    }

    /// Waits for the moment of the case; returns the exit code if the run ended before or by then.
    fn await_moment(&self, machine: &mut Machine, course: &Course) -> Result<Option<i32>> {
        let started = Instant::now();
        loop {
            let left = match self.case.moment {
                Moment::Time { permille } => {
                    let at = Duration::from_millis(share(course.millis, permille));
                    at.saturating_sub(started.elapsed())
                }
                Moment::Recorded { .. } | Moment::Ended => RUN_DEADLINE,
            };
            if left.is_zero() {
                return Ok(None);
            }
            if let Some(answer) = machine.ending(left)? {
                return Ok(Some(answer.code));
            }
            if started.elapsed() > RUN_DEADLINE {
                bail!("the run does not end");
            }
        }
    }

    fn settle(
        &self,
        log: &WriteLog,
        at_millis: u64,
        ended: Option<i32>,
        losses: &mut Chance,
    ) -> Result<Cut> {
        let fate = log.settle(&self.disk, self.case.lost_percent, losses)?;
        Ok(Cut {
            at_millis,
            ended,
            fate,
            journal: None,
        })
    }

    fn switch_on(&self, disk: &Path, log: Option<&Path>) -> Result<Machine> {
        Machine::switch_on(Hardware {
            parts: &self.ready.parts,
            directory: self.place.path(),
            disk,
            log,
        })
    }
}

/// Waits until the machine is up, nothing of ours is at work and no run is open.
fn await_recovery(machine: &mut Machine) -> Result<Status> {
    let script = format!(
        "systemctl is-system-running; \
         systemctl list-units --plain --no-legend --all --type=service \
         --state=active,activating,deactivating,reloading 'airgap-bundle*' | wc -l; \
         {INSTALLER} --output json status"
    );
    let started = Instant::now();
    let mut idle = 0;
    loop {
        let said = machine.run(&script, ASK_DEADLINE)?;
        let mut lines = said.stdout.splitn(3, '\n');
        let mut line = || lines.next().unwrap_or_default().trim().to_owned();
        let (state, at_work, status) = (line(), line(), line());
        let is_up = state == "running" || state == "degraded";
        let is_late = started.elapsed() > RECOVERY_DEADLINE;
        if is_up && at_work == "0" || is_late {
            let status = parse(&status).with_context(|| {
                format!("`status` says {status:?} and {:?}", said.stderr.trim())
            })?;
            idle += 1;
            // A host that is judged with an open run has failed; the judgement reports that.
            if !status.is_open || idle >= IDLE_LOOKS || is_late {
                return Ok(status);
            }
        }
        std::thread::sleep(RECOVERY_POLL);
    }
}

fn judge(before: &Look, done: Option<&Look>, now: &Look) -> Verdict {
    let (verdict, reasons) = match done {
        Some(done) if now.has_packages_of(done) => (Verdict::Done, done.diff_timeless(now)),
        _ => (Verdict::Unchanged, before.diff(now)),
    };
    let mut reasons: Vec<String> = reasons;
    if verdict == Verdict::Unchanged && !now.has_packages_of(before) {
        reasons.insert(0, format!("packages: {}", now.packages()));
    }
    if reasons.is_empty() {
        verdict
    } else {
        Verdict::Failed { reasons }
    }
}

/// Once the installer has reported the end of a run, no power cut may change that end.
fn promised(verdict: Verdict, cuts: &[Cut]) -> Verdict {
    let code = cuts.iter().find_map(|cut| cut.ended);
    let broken = match (&verdict, code) {
        (Verdict::Unchanged, Some(0)) => "the installer had said that it was done",
        (Verdict::Done, Some(5)) => "the installer had said that it reverted",
        _ => return verdict,
    };
    Verdict::Failed {
        reasons: vec![format!("the host is {}, but {broken}", verdict.word())],
    }
}
