//! What an unfinished run needs. Pure: from its journal to a decision.

use crate::journal::step::Step;
use crate::journal::{Phase, Record};

/// What to do about an unfinished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing outside the state directory was touched: close it as unchanged.
    Close,
    /// The target was reached and recorded: start what is held, remove the holds, close it as done.
    FinishForward,
    /// Anything in between: `intent` without `done` means that nobody knows, so all that may have
    /// been touched is put back.
    PutBack {
        /// Groups whose services were held.
        held: Vec<String>,
        /// Groups whose packages and files may have been changed.
        changed: Vec<String>,
        /// Groups whose data may have been restored from another run's dump.
        restored: Vec<String>,
        /// Groups whose services may have run since.
        released: Vec<String>,
    },
}

/// Decides by the journal alone. The host is looked at by the steps of the way back, each of which
/// finds out for itself what is left to do, so that it may be cut off and tried again.
#[must_use]
pub fn decide(records: &[Record]) -> Decision {
    let committed = |record: &Record| record.step == Step::Commit && record.phase == Phase::Done;
    if records.iter().any(committed) {
        return Decision::FinishForward;
    }
    let intents = || {
        records
            .iter()
            .filter(|record| record.phase == Phase::Intent)
    };
    if intents().all(|record| record.step == Step::Backup) {
        return Decision::Close;
    }
    let mut held = Vec::new();
    let mut changed = Vec::new();
    let mut restored = Vec::new();
    let mut released = Vec::new();
    for record in intents() {
        match &record.step {
            Step::Hold(group) => held.push(group.clone()),
            Step::Transaction(group) => changed.push(group.clone()),
            Step::Restore(group) => restored.push(group.clone()),
            Step::Release(group) => released.push(group.clone()),
            _ => {}
        }
    }
    Decision::PutBack {
        held,
        changed,
        restored,
        released,
    }
}

#[cfg(test)]
mod tests {
    use manifests::digest::Sha256;

    use super::*;
    use crate::journal::step::RevertStep;

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

    /// Every prefix of the journal of a run over two groups, with and without the `done` of its last
    /// step, decides as the position of that step says.
    #[test]
    fn every_place_to_be_cut_off_has_its_decision() {
        let group = |name: &str| {
            let name = name.to_owned();
            vec![
                Step::Hold(name.clone()),
                Step::Refresh(name.clone()),
                Step::Dump(name.clone()),
                Step::Transaction(name.clone()),
                Step::Check(name.clone()),
                Step::Release(name.clone()),
                Step::Health(name),
            ]
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
                let of = |make: fn(String) -> Step| -> Vec<String> {
                    let names = ["a", "b"].map(str::to_owned);
                    names
                        .into_iter()
                        .filter(|name| reached(make(name.clone())))
                        .collect()
                };
                let is_committed =
                    reached(Step::RemoveHolds) || (reached(Step::Commit) && last_is_done);
                let expected = if is_committed {
                    Decision::FinishForward
                } else if cut <= 1 {
                    Decision::Close
                } else {
                    Decision::PutBack {
                        held: of(Step::Hold),
                        changed: of(Step::Transaction),
                        restored: Vec::new(),
                        released: of(Step::Release),
                    }
                };
                assert_eq!(decide(&records(&journal)), expected, "{cut} {last_is_done}");
            }
        }
    }

    #[test]
    fn a_cut_off_way_back_is_taken_again_whole() {
        let mut journal = vec![
            (Step::Backup, Phase::Done),
            (Step::InstallHolds, Phase::Intent),
            (Step::Hold("a".to_owned()), Phase::Intent),
            (Step::Transaction("a".to_owned()), Phase::Intent),
            (Step::Transaction("a".to_owned()), Phase::Failed),
        ];
        for step in RevertStep::ALL {
            for phase in [Phase::Intent, Phase::Done, Phase::Failed] {
                journal.push((Step::Revert(step), phase));
                let a = || vec!["a".to_owned()];
                let expected = Decision::PutBack {
                    held: a(),
                    changed: a(),
                    restored: Vec::new(),
                    released: Vec::new(),
                };
                assert_eq!(decide(&records(&journal)), expected);
            }
        }
    }
}
