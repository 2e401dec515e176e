//! The undisturbed runs that cases are drawn from, measured before a sweep.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use super::case::{Cargo, Case, Course};
use super::data::Data;
use super::kit::{Kit, nevras};
use super::picture::Picture;
use super::results::Way;
use super::verdict::Verdict;
use super::watch::Timeline;
use super::{plain, play};
use crate::vendor::for_each;

const FIRST_OF_A_REVERT: &str = "revert:";

/// One undisturbed run.
struct Measured {
    task: Task,
    line: Timeline,
    after: Option<Picture>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Run(Cargo),
    Plain,
}

/// What is known of every kind of run.
#[derive(Debug, Default)]
pub(super) struct Courses {
    runs: Vec<(Cargo, Course)>,
    plain_millis: u64,
    done: Option<Picture>,
}

impl Courses {
    /// Measures what the cases need. The good run shows what *Done* is, a failing run shows a
    /// revert.
    pub(super) fn measure(kit: &Kit, cases: &[(Way, u64)]) -> Result<Self> {
        let cargoes = || {
            cases
                .iter()
                .filter(|case| case.0 == Way::Installer)
                .map(|case| kit.cargo(case.1))
        };
        let mut tasks: Vec<Task> = cargoes().map(Task::Run).collect();
        if !cases.is_empty() {
            tasks.extend([Cargo::Good, kit.reverting()].map(Task::Run));
        }
        if cases.iter().any(|case| case.0 == Way::PlainRpm) {
            tasks.push(Task::Plain);
        }
        let order = |task: &Task| match task {
            Task::Run(cargo) => *cargo as u8,
            Task::Plain => u8::MAX,
        };
        tasks.sort_by_key(order);
        tasks.dedup();
        let measured = Mutex::new(Vec::new());
        for_each(&tasks, |task| {
            let found = measure(kit, *task).with_context(|| format!("undisturbed {task:?}"))?;
            measured
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(found);
            Ok(())
        })?;
        Ok(Self::of(
            kit.reverting(),
            measured
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        ))
    }

    fn of(reverting: Cargo, measured: Vec<Measured>) -> Self {
        let mut courses = Self::default();
        let reverts = measured.iter().find(|one| one.task == Task::Run(reverting));
        let revert = reverts.map(|one| revert_of(&one.line)).unwrap_or_default();
        for Measured { task, line, after } in measured {
            match task {
                Task::Plain => courses.plain_millis = line.millis,
                Task::Run(cargo) => {
                    let course = Course {
                        run: line,
                        revert: revert.clone(),
                    };
                    courses.runs.push((cargo, course));
                    if cargo == Cargo::Good {
                        courses.done = after;
                    }
                }
            }
        }
        courses
    }

    pub(super) fn done(&self) -> Option<&Picture> {
        self.done.as_ref()
    }

    pub(super) fn case(&self, kit: &Kit, way: Way, seed: u64) -> Result<Case> {
        if way == Way::PlainRpm {
            return Ok(Case::draw_plain(seed, self.plain_millis));
        }
        let cargo = kit.cargo(seed);
        let found = self.runs.iter().find(|(known, _)| *known == cargo);
        let (_, course) = found.with_context(|| format!("seed {seed} was not measured"))?;
        Ok(Case::draw(seed, cargo, course))
    }
}

fn measure(kit: &Kit, task: Task) -> Result<Measured> {
    let name = match task {
        Task::Run(cargo) => format!("sweep-course-{cargo}"),
        Task::Plain => "sweep-course-plain".to_owned(),
    };
    let host = kit.boot(&name)?;
    let Task::Run(cargo) = task else {
        let line = Timeline {
            millis: plain::undisturbed(&host, kit)?,
            ..Timeline::default()
        };
        return Ok(Measured {
            task,
            line,
            after: None,
        });
    };
    kit.carry(&host, cargo)?;
    let data = Data::of(&host, kit.has_stores())?;
    let line = Timeline {
        reaches_on: kit.has_stores(),
        ..play::undisturbed(&host)?
    };
    data.await_well(&host)?;
    let after = Picture::take(&host)?;
    if cargo == Cargo::Good {
        ensure!(
            Picture::nevras(&host)? == nevras(cargo.versions()) && after.leftovers().is_empty(),
            "an undisturbed run does not reach its target"
        );
        ensure!(
            after.is_well(),
            "an undisturbed run leaves: {:?}",
            after.answers
        );
        let reasons = data.reasons(&host, &Verdict::Done)?;
        ensure!(reasons.is_empty(), "an undisturbed run leaves {reasons:?}");
    }
    Ok(Measured {
        task,
        line,
        after: Some(after),
    })
}

/// The part of a run that is its revert, timed from its own start.
fn revert_of(line: &Timeline) -> Timeline {
    let reverts = line
        .marks
        .iter()
        .filter(|(mark, _)| mark.starts_with(FIRST_OF_A_REVERT));
    let marks: Vec<(String, u64)> = reverts.cloned().collect();
    let start = marks.first().map_or(0, |(_, at)| *at);
    Timeline {
        marks: marks
            .into_iter()
            .map(|(mark, at)| (mark, at - start))
            .collect(),
        // The transaction of the revert is the last one.
        rpm_millis: line.rpm_millis.last().copied().into_iter().collect(),
        millis: line.millis - start,
        reaches_on: line.reaches_on,
    }
}
