//! The disk-full sweep: a disk with every number of MiB free, from 0 to what a run needs, and a disk
//! that fills up at a moment of the run that a seed chooses and stays full.
//!
//! The disk is a real small ext4 that holds the state directory, or the packages and the rpm
//! database, or all of the host. Every case ends *Done* or *Unchanged*, as in the kill sweep, after
//! at most one resume on the disk that is still full. The sweep may take away even the space that
//! the installer frees for its way back: it keeps the disk full, or fills it once a revert has
//! begun. Then the run may wait, open and held, until there is space again; one resume
//! (`install resume`) ends it. Such cases are counted apart.

mod case;
mod course;
mod play;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use self::case::DISK_MIB;
pub use self::case::{Case, Filling, Key, Place};
use self::course::Courses;
use self::play::Played;
pub use self::table::table;
use super::case::Cargo;
use super::evidence;
use super::kit::Kit;
use super::picture::Picture;
use super::results::{Line, Results};
use super::verdict::{self, Verdict};
use crate::isolated::{IsolatedHost, RpmDatabase};

/// Beyond what a run was seen to take. The installer asks for a little more, so runs with the last of
/// these sizes end *Done*.
const BEYOND_MIB: u64 = 16;

/// What to sweep.
#[derive(Clone, Debug)]
pub struct FullSweep {
    /// The program under test.
    pub installer: PathBuf,
    /// The disks.
    pub places: Vec<Place>,
    /// Free MiB: the first size and the last. Without a last size the sweep goes up to what a run
    /// needs.
    pub from: u64,
    pub to: Option<u64>,
    /// How many MiB the next size has more; the last one is always tried.
    pub step: u64,
    /// How many disks that fill up during a run; case `i` has the seed `seed + i`.
    pub count: u64,
    pub seed: u64,
    /// Results, one JSON line per case.
    pub results: PathBuf,
    /// Whether cases that the results hold already are skipped.
    pub goes_on: bool,
}

/// One case that was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub case: Case,
    /// Digest of the installer.
    pub installer: String,
    /// What the command that started the run exited with.
    pub exit: Option<i32>,
    /// How far the run came; nothing when it did not begin.
    pub reached: String,
    /// The last record of the journal when the disk became full during the run.
    pub filled_at: Option<String>,
    /// Whether the sweep had to call `install resume`.
    pub is_resumed: bool,
    /// Whether that helped only after the space had been given back.
    pub has_waited: bool,
    pub verdict: Verdict,
    pub millis: u64,
    /// Where a failure's evidence is.
    pub evidence: Option<PathBuf>,
}

impl Line for Trial {
    fn start(&self) -> &str {
        &self.installer
    }
}

impl Trial {
    /// Whether the disk took away the space that the run had kept for its way back.
    pub(super) fn lost_its_reserve(&self) -> bool {
        lost_its_reserve(&self.case, self.filled_at.as_deref())
    }
}

/// When a step has failed, the installer gives up the space it kept back. A sweep that fills the
/// disk then, or keeps it full, takes that space.
fn lost_its_reserve(case: &Case, filled_at: Option<&str>) -> bool {
    let Filling::During { is_kept, .. } = case.filling else {
        return false;
    };
    let is_given_up = |mark: &str| mark.starts_with(play::REVERT) || mark.ends_with(play::FAILED);
    is_kept || filled_at.is_some_and(is_given_up)
}

/// Plays every case, two at a time; `listen` is called as each ends. Returns all, in order.
pub fn full_sweep(sweep: &FullSweep, listen: impl Fn(&Trial) + Sync) -> Result<Vec<Trial>> {
    let kit = Kit::prepare(&sweep.installer, RpmDatabase::Sqlite)?;
    let results = Results::<Trial>::open(&sweep.results, sweep.goes_on, &kit.installer_digest)?;
    let courses = Courses::measure(&kit)?;
    let wanted = wanted(sweep, &courses);
    let known = |key: &Key| results.known().iter().any(|trial| trial.case.key == *key);
    let open: Vec<Key> = wanted.iter().filter(|key| !known(key)).copied().collect();
    let mut trials = results.complete(&open, |&key| try_case(&kit, &courses, key), listen)?;
    trials.retain(|trial| wanted.contains(&trial.case.key));
    trials.sort_by_key(|trial| trial.case.key);
    Ok(trials)
}

fn wanted(sweep: &FullSweep, courses: &Courses) -> Vec<Key> {
    let mut keys = Vec::new();
    for &place in &sweep.places {
        let last = sweep.to.unwrap_or(courses.needs_mib(place) + BEYOND_MIB);
        let step = usize::try_from(sweep.step.max(1)).unwrap_or(usize::MAX);
        let sizes = (sweep.from..last).step_by(step).chain([last]);
        keys.extend(sizes.map(|mib| Key::Size(place, mib)));
        // The need was measured by polling and may be more: the whole disk is always enough.
        keys.extend(sweep.to.is_none().then_some(Key::Size(place, DISK_MIB)));
    }
    let seeds = (0..sweep.count).map(|at| sweep.seed.wrapping_add(at));
    keys.extend(seeds.map(Key::Seed));
    keys
}

/// Plays one case. A failure on its host becomes its verdict, and does not end the sweep.
fn try_case(kit: &Kit, courses: &Courses, key: Key) -> Result<Trial> {
    let started = Instant::now();
    let case = courses.case(key)?;
    let mut played = Played::default();
    let mut host = None;
    let verdict = judged(kit, courses, &case, &mut host, &mut played);
    let verdict = verdict.unwrap_or_else(|error| Verdict::failed(format!("{error:#}")));
    let mut trial = Trial {
        case,
        installer: kit.installer_digest.clone(),
        exit: played.exit,
        reached: played.reached,
        filled_at: played.filled_at,
        is_resumed: played.is_resumed,
        has_waited: played.has_waited,
        verdict,
        millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        evidence: None,
    };
    if !trial.verdict.is_good() {
        let name = format!("full-{key}").replace(' ', "-");
        let case = &trial.case;
        let kept = evidence::keep(host.as_ref(), &name, &trial, case, &played.transcript);
        trial.evidence = Some(kept.context("cannot keep the evidence")?);
    }
    Ok(trial)
}

fn judged(
    kit: &Kit,
    courses: &Courses,
    case: &Case,
    slot: &mut Option<IsolatedHost>,
    played: &mut Played,
) -> Result<Verdict> {
    let Case { place, cargo, .. } = *case;
    let host = slot.insert(course::boot(kit, "full", place, cargo)?);
    let before = Picture::take(host)?;
    let done = courses.done(place).filter(|_| cargo == Cargo::Good);
    let status = play::play(host, case, played)?;
    let verdict = verdict::judge(host, cargo, &before, done)?;
    let verdict = played.compare(host, case, verdict::compare(verdict, &status));
    if verdict != Verdict::Unchanged || !case.is_tried_again() {
        return Ok(verdict);
    }
    let status = play::again(host, played)?;
    let later = verdict::judge(host, cargo, &before, done)?;
    Ok(match verdict::compare(later, &status) {
        Verdict::Done => verdict,
        later => Verdict::failed(format!("a new run afterwards does not end Done: {later:?}")),
    })
}
