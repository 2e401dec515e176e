//! Asks before a bundle moves the mark of its product so far that no later bundle could pass it.
//! Pure.
//!
//! A sequence is a repository's revision, in seconds since 1970, or a counter that a person keeps.
//! The mark never goes down, so a mistyped one would ask for a reason on every host for ever.

use super::{Consent, InstallPlan};
use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::trust::sequence::Remembered;

/// The largest step that is taken without a question; as a time, eleven days.
const STEP: u64 = 1_000_000;
/// Smaller numbers are no times of this century.
const LEAST_TIME: u64 = 1_000_000_000;

/// Refuses a sequence far above the mark, unless both may be times or the operator gave a reason.
pub(super) fn check(
    inventory: &Inventory,
    consent: &Consent,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let mark = match &inventory.remembered {
        Remembered::Nothing => None,
        Remembered::Mark(mark) => Some(mark.sequence),
        Remembered::Unknown | Remembered::Damaged(_) => return,
    };
    let (new, clock) = (plan.sequence, inventory.clock);
    if !is_far(mark, new, clock) {
        return;
    }
    let above = mark.map_or_else(
        || "no bundle of this product was installed here yet".to_owned(),
        |mark| format!("the last one here has {mark}"),
    );
    let what = format!(
        "the bundle has sequence {new}, and {above}: afterwards every bundle with a lower number is \
         refused here"
    );
    match &consent.jump_because {
        Some(reason) => {
            plan.sequence_jump_because = Some(reason.clone());
            plan.notes.push(format!("{what}, because: {reason}"));
        }
        None => problems.push(Problem::new(
            what,
            format!(
                "ask who built it whether the number is meant: `bundle build --sequence N` sets it, and \
                 this host's clock says {clock}. If it is meant, give the reason with \
                 --allow-sequence-jump-because"
            ),
        )),
    }
}

fn is_far(mark: Option<u64>, new: u64, clock: u64) -> bool {
    let is_time = |number: u64| (LEAST_TIME..=clock.saturating_add(STEP)).contains(&number);
    let is_step = new.saturating_sub(mark.unwrap_or(0)) <= STEP;
    !(is_step || (is_time(new) && mark.is_none_or(is_time)))
}

#[cfg(test)]
mod tests {
    use super::is_far;

    #[test]
    fn times_and_steps_pass_and_anything_else_asks() {
        let clock = 1_800_000_000;
        for (mark, new, expected) in [
            (None, 1, false),
            (None, 1_000_000, false),
            (None, 1_000_001, true),
            (None, 1_750_000_000, false),
            (None, 1_801_000_001, true),
            (Some(7), 8, false),
            (Some(7), 1_000_007, false),
            (Some(7), 1_000_008, true),
            // From a counter to a time.
            (Some(7), 1_750_000_000, true),
            (Some(1_600_000_000), 1_750_000_000, false),
            (Some(1_750_000_000), 1_801_000_000, false),
            (Some(1_750_000_000), 2_145_916_800, true),
            (Some(u64::MAX), u64::MAX, false),
        ] {
            assert_eq!(is_far(mark, new, clock), expected, "{mark:?} {new}");
        }
        // A host whose clock stands at 1970 asks.
        assert!(is_far(Some(1_700_000_000), 1_750_000_000, 60));
        assert!(!is_far(Some(1_700_000_000), 1_700_500_000, 60));
    }
}
