//! The kill sweep. The installer, rpm, both, or the whole host die at a moment that a seed chooses,
//! in a run and again in its recovery. Then the host is judged from outside.
//!
//! Every case ends *Done* (as an undisturbed run leaves the host) or *Unchanged* (as it was, down
//! to the bytes, with no file more and none less), and the installer's report agrees. Any other end
//! is a failure whose evidence is kept. Beside it, the same kills of a plain `rpm -U`, recovered by
//! a plain rpm, for comparison.
//!
//! A seed's case depends only on the seed and on the course of an undisturbed run of that very
//! installer: its phases, its duration and its rpm transactions are measured first.

mod case;
mod chance;
mod course;
mod data;
mod evidence;
pub mod full;
mod journal;
mod kit;
mod picture;
mod plain;
mod play;
mod processes;
mod results;
mod table;
mod verdict;
mod watch;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};

pub use self::case::{Cargo, Case, Moment, Strike, Victim};
pub(crate) use self::chance::Chance;
use self::course::Courses;
use self::data::Data;
pub use self::evidence::directory_of_sweeps;
use self::kit::Kit;
use self::picture::Picture;
use self::play::Played;
pub use self::play::Struck;
pub(crate) use self::results::{Line, Results};
pub use self::results::{Trial, Way};
pub use self::table::table;
pub(crate) use self::table::{grid, reasons, seconds};
pub use self::verdict::Verdict;
pub(crate) use self::verdict::{Status, compare, parse};
use crate::isolated::{IsolatedHost, RpmDatabase};

/// What to sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The program under test.
    pub installer: PathBuf,
    /// What the hosts' rpm keeps its database in.
    pub database: RpmDatabase,
    /// How many cases; case `i` has the seed `seed + i`.
    pub count: u64,
    pub seed: u64,
    /// How many plain ones beside them.
    pub baseline: u64,
    /// Whether the hosts have a Redis and a `PostgreSQL` with data; then these are judged, too, and
    /// a seed draws another case.
    pub stores: bool,
    /// Results, one JSON line per case.
    pub results: PathBuf,
    /// Whether cases that the results hold already are skipped.
    pub goes_on: bool,
}

/// Plays every case, two at a time; `listen` is called as each ends. Returns all, in order.
pub fn sweep(sweep: &Sweep, listen: impl Fn(&Trial) + Sync) -> Result<Vec<Trial>> {
    let prepare = if sweep.stores {
        Kit::prepare_with_stores
    } else {
        Kit::prepare
    };
    let kit = prepare(&sweep.installer, sweep.database)?;
    let results = Results::<Trial>::open(&sweep.results, sweep.goes_on, &kit.installer_digest)?;
    let wanted = wanted(sweep);
    let known = |case: &(Way, u64)| {
        let mut trials = results.known().iter();
        trials.any(|trial| (trial.way, trial.seed) == *case)
    };
    let open: Vec<(Way, u64)> = wanted.iter().filter(|case| !known(case)).copied().collect();
    let courses = Courses::measure(&kit, &open)?;
    let play = |&(way, seed): &(Way, u64)| try_case(&kit, &courses, way, seed);
    let mut trials = results.complete(&open, play, listen)?;
    trials.retain(|trial| wanted.contains(&(trial.way, trial.seed)));
    trials.sort_by_key(|trial| (trial.way, trial.seed));
    Ok(trials)
}

fn wanted(sweep: &Sweep) -> Vec<(Way, u64)> {
    let seeds = |way, count| (0..count).map(move |at| (way, sweep.seed.wrapping_add(at)));
    let installer = seeds(Way::Installer, sweep.count);
    installer
        .chain(seeds(Way::PlainRpm, sweep.baseline))
        .collect()
}

/// Plays one case. A failure on its host becomes its verdict, and does not end the sweep.
fn try_case(kit: &Kit, courses: &Courses, way: Way, seed: u64) -> Result<Trial> {
    let started = Instant::now();
    let case = courses.case(kit, way, seed)?;
    let mut played = Played::default();
    let mut host = None;
    let verdict = judged(kit, courses, way, &case, &mut host, &mut played);
    let verdict = verdict.unwrap_or_else(|error| Verdict::failed(format!("{error:#}")));
    let mut trial = Trial {
        seed,
        way,
        cargo: case.cargo,
        installer: kit.installer_digest.clone(),
        struck: played.struck,
        called: played.called,
        notes: played.notes,
        kept_aside: played.kept_aside,
        verdict,
        millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        evidence: None,
    };
    if !trial.verdict.is_good() && way == Way::Installer {
        let name = format!("installer-{seed}");
        let kept = evidence::keep(host.as_ref(), &name, &trial, &case, &played.transcript);
        trial.evidence = Some(kept.context("cannot keep the evidence")?);
    }
    Ok(trial)
}

fn judged(
    kit: &Kit,
    courses: &Courses,
    way: Way,
    case: &Case,
    slot: &mut Option<IsolatedHost>,
    played: &mut Played,
) -> Result<Verdict> {
    let host = slot.insert(kit.boot(&format!("sweep-{}", case.seed))?);
    if way == Way::PlainRpm {
        let before = Picture::take(host)?;
        plain::play(host, kit, case, played)?;
        return verdict::judge(host, case.cargo, &before, courses.done());
    }
    kit.carry(host, case.cargo)?;
    let before = Picture::take(host)?;
    let data = Data::of(host, kit.has_stores())?;
    let done = courses.done().filter(|_| case.cargo == Cargo::Good);
    let judge = |host: &IsolatedHost| -> Result<Verdict> {
        let ill = data.await_well(host).err();
        let verdict = verdict::judge(host, case.cargo, &before, done)?;
        let mut reasons = data.reasons(host, &verdict)?;
        reasons.extend(ill.map(|error| format!("{error:#}")));
        Ok(verdict.with(reasons))
    };
    let status = play::play(host, case, played)?;
    let verdict = judge(host)?;
    played.kept_aside = data.kept_aside(host)?;
    let verdict = verdict::believe(verdict::compare(verdict, &status), played.code);
    if !verdict.is_good() || !case.is_tried_again() {
        return Ok(verdict);
    }
    let status = play::again(host, played)?;
    let later = judge(host)?;
    Ok(match verdict::compare(later, &status) {
        Verdict::Done => verdict,
        later => Verdict::failed(format!("a new run afterwards does not end Done: {later:?}")),
    })
}
