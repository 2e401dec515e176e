//! Computes which runs still count. Pure. An undo and the run that it undid cancel each other.

use super::PastRun;
use crate::plan::PlanKind;

/// Returns, in ascending order, the runs that ended as done and were not undone since.
#[must_use]
pub fn effective(runs: &[PastRun]) -> Vec<&PastRun> {
    let mut left: Vec<&PastRun> = Vec::new();
    for run in runs.iter().filter(|run| run.is_done()) {
        match run.plan.kind {
            // The undone run may be older than the given runs; then the undo counts.
            PlanKind::Undo { run: undone } if left.iter().any(|earlier| earlier.id == undone) => {
                left.retain(|earlier| earlier.id != undone);
            }
            // A restore changes no package, and another restore takes it back.
            PlanKind::Restore { .. } => {}
            _ => left.push(run),
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::report::Outcome;
    use crate::history::test_runs::past_run;

    #[test]
    fn an_undo_cancels_what_it_undid_and_a_redo_brings_it_back() {
        let ids = |runs: &[PastRun]| effective(runs).iter().map(|run| run.id).collect::<Vec<_>>();
        let up = |id| past_run(id, PlanKind::Upgrade, Some(Outcome::Done));
        let undo = |id, run| past_run(id, PlanKind::Undo { run }, Some(Outcome::Done));
        assert_eq!(ids(&[up(1), up(2)]), [1, 2]);
        assert_eq!(ids(&[up(1), up(2), undo(3, 2)]), [1]);
        assert_eq!(
            ids(&[up(1), undo(2, 1), undo(3, 2)]),
            [3],
            "what was undone is back"
        );
        assert_eq!(ids(&[undo(5, 4)]), [5]);
        let failed = past_run(4, PlanKind::Upgrade, None);
        assert_eq!(ids(&[up(1), failed]), [1]);
    }
}
