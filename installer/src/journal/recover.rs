//! Decides from the journal alone how to close an unfinished run. Pure.

use crate::journal::step::{GroupStep, Step};
use crate::journal::{Phase, Record};

/// How to close an unfinished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing outside the state directory was touched. Close the run as unchanged.
    Close,
    /// The target was reached and recorded. Start the held services, remove the holds and close the
    /// run as done.
    FinishForward,
    /// Anything in between. The effect of an `intent` without `done` is unknown, so everything that
    /// may have been touched is restored.
    PutBack(Reached),
}

/// What a run may have touched, judged by the steps that it began. The run and its recovery both
/// compute it with [`Reached::note`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// Whether anything outside the state directory may have been changed.
    pub has_effects: bool,
    /// Groups whose services were held.
    pub held: Vec<String>,
    /// Groups whose packages and files may have been changed. A revert restores them.
    pub changed: Vec<String>,
    /// Groups whose data may have been restored from another run's dump.
    pub restored: Vec<String>,
    /// Groups whose services may have run since they were held.
    pub released: Vec<String>,
}

impl Reached {
    /// Records that a step begins. There is no wildcard: a new step must declare here what it
    /// touches.
    pub fn note(&mut self, step: &Step) {
        self.has_effects |= *step != Step::Backup;
        let (groups, group) = match step {
            Step::Group(GroupStep::Hold, group) => (&mut self.held, group),
            // A group's later writes are reverted together with its packages.
            Step::Group(GroupStep::Transaction, group) => (&mut self.changed, group),
            Step::Group(GroupStep::Restore, group) => (&mut self.restored, group),
            Step::Group(GroupStep::Release, group) => (&mut self.released, group),
            Step::Group(
                GroupStep::Refresh
                | GroupStep::Dump
                | GroupStep::Check
                | GroupStep::Extras
                | GroupStep::Configure
                | GroupStep::Health,
                _,
            )
            | Step::Backup
            | Step::InstallHolds
            | Step::Commit
            | Step::RemoveHolds
            | Step::Revert(_) => return,
        };
        groups.push(group.clone());
    }
}

/// Decides by the journal alone. The steps of the way back inspect the host: each finds out what is
/// left to do, so it may be interrupted and repeated.
#[must_use]
pub fn decide(records: &[Record]) -> Decision {
    let is_commit = |record: &Record| record.step == Step::Commit && record.phase == Phase::Done;
    if records.iter().any(is_commit) {
        return Decision::FinishForward;
    }
    let mut reached = Reached::default();
    for record in records.iter().filter(|r| r.phase == Phase::Intent) {
        reached.note(&record.step);
    }
    if reached.has_effects {
        Decision::PutBack(reached)
    } else {
        Decision::Close
    }
}

#[cfg(test)]
mod tests {
    use manifests::digest::Sha256;

    use super::*;
    use crate::journal::step::RevertStep;

    fn a(step: GroupStep) -> Step {
        Step::Group(step, "a".to_owned())
    }

    fn records(steps: &[(Step, Phase)]) -> Vec<Record> {
        let record = |(at, (step, phase)): (usize, &(Step, Phase))| Record {
            seq: at as u64 + 1,
            run: 1,
            plan: Sha256::of(b""),
            step: step.clone(),
            phase: *phase,
            at: 0,
            note: String::new(),
            sum: String::new(),
        };
        steps.iter().enumerate().map(record).collect()
    }

    /// For every prefix of the journal of a run over two groups, with and without the `done` of its
    /// last step, the position of that step determines the decision.
    #[test]
    fn every_point_of_interruption_has_its_decision() {
        let group = |name: &'static str| {
            let all = GroupStep::ALL.iter();
            let made = all.filter(|step| **step != GroupStep::Restore);
            made.map(move |step| Step::Group(*step, name.to_owned()))
        };
        let mut steps = vec![Step::Backup, Step::InstallHolds];
        steps.extend(group("a"));
        steps.extend(group("b"));
        steps.extend([Step::Commit, Step::RemoveHolds]);
        for cut in 0..=steps.len() {
            for last_is_done in [false, true] {
                let mut journal = Vec::new();
                for (at, step) in steps[..cut].iter().enumerate() {
                    journal.push((step.clone(), Phase::Intent));
                    if at + 1 < cut || last_is_done {
                        journal.push((step.clone(), Phase::Done));
                    }
                }
                let reached = |step: Step| steps[..cut].contains(&step);
                let of = |step: GroupStep| -> Vec<String> {
                    let names = ["a", "b"].map(str::to_owned).into_iter();
                    names
                        .filter(|name| reached(Step::Group(step, name.clone())))
                        .collect()
                };
                let is_committed =
                    reached(Step::RemoveHolds) || (reached(Step::Commit) && last_is_done);
                let expected = if is_committed {
                    Decision::FinishForward
                } else if cut <= 1 {
                    Decision::Close
                } else {
                    Decision::PutBack(Reached {
                        has_effects: true,
                        held: of(GroupStep::Hold),
                        changed: of(GroupStep::Transaction),
                        restored: Vec::new(),
                        released: of(GroupStep::Release),
                    })
                };
                assert_eq!(decide(&records(&journal)), expected, "{cut} {last_is_done}");
            }
        }
    }

    #[test]
    fn an_interrupted_way_back_is_repeated_completely() {
        let mut journal = vec![
            (Step::Backup, Phase::Done),
            (Step::InstallHolds, Phase::Intent),
            (a(GroupStep::Hold), Phase::Intent),
            (a(GroupStep::Transaction), Phase::Intent),
            (a(GroupStep::Transaction), Phase::Failed),
        ];
        for &step in RevertStep::ALL {
            for phase in [Phase::Intent, Phase::Done, Phase::Failed] {
                journal.push((Step::Revert(step), phase));
                let groups = vec!["a".to_owned()];
                let expected = Decision::PutBack(Reached {
                    has_effects: true,
                    held: groups.clone(),
                    changed: groups,
                    ..Reached::default()
                });
                assert_eq!(decide(&records(&journal)), expected);
            }
        }
    }
}
