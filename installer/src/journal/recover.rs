//! Decides from the journal alone how to close an unfinished run. Pure.

use crate::journal::step::{GroupStep, RevertPart, RevertStep, Step};
use crate::journal::{Phase, Record};

/// How to close an unfinished run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one is made for a run")]
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
    /// Stores whose data a step that failed provably left alone. The journal does not show it: a mark
    /// in the run's directory does.
    pub untouched: Vec<String>,
    /// Groups whose data may have been restored from another run's dump.
    pub restored: Vec<String>,
    /// Groups whose services may have run since they were held.
    pub released: Vec<String>,
    /// What a revert has done of what it does once.
    pub back: Back,
}

/// How far a revert came. What it released is live: people and services have changed it since, and
/// no later try may touch it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Back {
    /// Whether a revert may have released all services.
    pub is_live: bool,
    /// Whether it then started all that ran before.
    pub is_started: bool,
    /// Components whose services a revert may have released while others stayed held.
    pub live: Vec<String>,
    /// Stores whose data a revert put back.
    pub data: Vec<String>,
    /// Stores whose data the last try failed to put back.
    pub data_failed: Vec<String>,
}

impl Reached {
    /// Records that a step begins. There is no wildcard: a new step must declare here what it
    /// touches.
    pub fn note(&mut self, step: &Step) {
        self.has_effects |= !step.is_without_effects();
        let (groups, group) = match step {
            Step::Group(GroupStep::Hold, group) => (&mut self.held, group),
            // A group's later writes are reverted together with its packages.
            Step::Group(GroupStep::Transaction, group) => (&mut self.changed, group),
            Step::Group(GroupStep::Restore, group) => (&mut self.restored, group),
            Step::Group(GroupStep::Release, group) => (&mut self.released, group),
            Step::Revert(RevertStep::Release) => {
                self.back.is_live = true;
                self.back.is_started = false;
                return;
            }
            Step::RevertOf(RevertPart::Release, component) => (&mut self.back.live, component),
            Step::RevertOf(RevertPart::Data, store) => {
                self.back.data.retain(|known| known != store);
                self.back.data_failed.retain(|known| known != store);
                return;
            }
            Step::Group(
                GroupStep::Rehearse
                | GroupStep::DumpAhead
                | GroupStep::Refresh
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

    /// Whether there may be packages, files or data to put back.
    #[must_use]
    pub const fn may_have_changed(&self) -> bool {
        !(self.changed.is_empty() && self.restored.is_empty() && self.released.is_empty())
    }

    /// Records how a step ended.
    pub fn note_end(&mut self, step: &Step, is_done: bool) {
        match step {
            Step::Revert(RevertStep::Release) => self.back.is_started = is_done,
            Step::RevertOf(RevertPart::Data, store) if is_done => {
                self.back.data.push(store.clone());
            }
            Step::RevertOf(RevertPart::Data, store) => self.back.data_failed.push(store.clone()),
            _ => {}
        }
    }
}

/// Returns why a run failed: the first failure on its way forward. A failure of the way back is not
/// the cause.
#[must_use]
pub fn first_failure(records: &[Record]) -> Option<&str> {
    let is_forward = |step: &Step| !matches!(step, Step::Revert(_) | Step::RevertOf(..));
    let mut failures = records
        .iter()
        .filter(|record| record.phase == Phase::Failed);
    let first = failures.find(|record| is_forward(&record.step))?;
    Some(first.note.as_str()).filter(|note| !note.is_empty())
}

/// Decides by the journal, and by the mark of a revert that released services. The steps of the way back inspect the host: each finds out what is
/// left to do, so it may be interrupted and repeated.
#[must_use]
pub fn decide(records: &[Record], is_live: bool) -> Decision {
    let is_commit = |record: &Record| record.step == Step::Commit && record.phase == Phase::Done;
    // A record that could not be synced may be there all the same, and the run went back.
    if !is_live && records.iter().any(is_commit) {
        return Decision::FinishForward;
    }
    let mut reached = Reached::default();
    for Record { step, phase, .. } in records {
        match phase {
            Phase::Intent => reached.note(step),
            Phase::Done => reached.note_end(step, true),
            Phase::Failed => reached.note_end(step, false),
        }
    }
    reached.back.is_live |= is_live;
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
        let all: Vec<Step> = group("a").chain(group("b")).collect();
        let (ahead, rest): (Vec<Step>, Vec<Step>) =
            all.into_iter().partition(Step::is_without_effects);
        let untouched = 1 + ahead.len();
        let mut steps = [vec![Step::Backup], ahead, vec![Step::InstallHolds], rest].concat();
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
                } else if cut <= untouched {
                    Decision::Close
                } else {
                    Decision::PutBack(Reached {
                        has_effects: true,
                        held: of(GroupStep::Hold),
                        changed: of(GroupStep::Transaction),
                        untouched: Vec::new(),
                        restored: Vec::new(),
                        released: of(GroupStep::Release),
                        back: Back::default(),
                    })
                };
                assert_eq!(
                    decide(&records(&journal), false),
                    expected,
                    "{cut} {last_is_done}"
                );
            }
        }
    }

    #[test]
    fn an_interrupted_way_back_is_repeated_until_it_released_services() {
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
                let is_live = matches!(
                    step,
                    RevertStep::Release | RevertStep::Health | RevertStep::RemoveHolds
                );
                let expected = Decision::PutBack(Reached {
                    has_effects: true,
                    held: groups.clone(),
                    changed: groups,
                    back: Back {
                        is_live,
                        is_started: step == RevertStep::Release && phase == Phase::Done,
                        ..Back::default()
                    },
                    ..Reached::default()
                });
                assert_eq!(decide(&records(&journal), false), expected);
            }
        }
    }

    /// What a revert released or put back is known to every later try, whatever happened to it.
    #[test]
    fn what_a_revert_did_once_is_remembered() {
        let data = |store: &str| Step::RevertOf(RevertPart::Data, store.to_owned());
        let mut journal = vec![
            (a(GroupStep::Release), Phase::Intent),
            (data("main"), Phase::Intent),
            (data("main"), Phase::Failed),
            (data("main"), Phase::Intent),
            (data("main"), Phase::Done),
            (data("log"), Phase::Intent),
            (data("log"), Phase::Failed),
            (data("cut"), Phase::Intent),
        ];
        let live = Step::RevertOf(RevertPart::Release, "gateway".to_owned());
        journal.push((live, Phase::Intent));
        let Decision::PutBack(reached) = decide(&records(&journal), false) else {
            panic!("it has effects");
        };
        let names = |name: &str| vec![name.to_owned()];
        let expected = Back {
            is_live: false,
            is_started: false,
            live: names("gateway"),
            data: names("main"),
            data_failed: names("log"),
        };
        assert_eq!(reached.back, expected);
    }

    #[test]
    fn the_cause_is_the_first_failure_of_the_way_forward() {
        let mut journal = records(&[
            (a(GroupStep::Health), Phase::Intent),
            (Step::Revert(RevertStep::Check), Phase::Failed),
            (a(GroupStep::Health), Phase::Failed),
            (a(GroupStep::Release), Phase::Failed),
        ]);
        assert_eq!(first_failure(&journal), None, "it has no words");
        for (at, record) in journal.iter_mut().enumerate() {
            record.note = format!("failure {at}");
        }
        assert_eq!(first_failure(&journal), Some("failure 2"));
        assert_eq!(first_failure(&journal[..2]), None);
    }
}
