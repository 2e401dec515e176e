//! Stores whose settings a stop of the service or a boot takes away. Pure.

use super::PlannedStore;
use crate::problem::Problem;
use crate::stores::FoundStore;

/// Refuses to rewrite the data of a store that a recovery after a power cut could not find again: it
/// could neither restore them nor start the service.
pub(super) fn check(found: &[FoundStore], stores: &[PlannedStore], problems: &mut Vec<Problem>) {
    let needs_them = |store: &&PlannedStore| {
        store.change.is_some() && store.is_dumped() && store.terms.by_hand.is_none()
    };
    for store in stores.iter().filter(needs_them) {
        let mut found = found.iter();
        let found = found.find(|found| found.endpoint == store.endpoint);
        let Some(found) = found.filter(|found| !found.vanishing.is_empty()) else {
            continue;
        };
        let (name, files) = (&store.name, found.vanishing.join(", "));
        problems.push(Problem::new(
            format!(
                "this run changes the data of {name}, and settings of its users are in {files}, which \
                 does not outlive a stop of the service or a boot: after a power cut no revert could \
                 reach the store"
            ),
            format!(
                "move these settings below /etc; or restore the dump yourself, should it come to that, \
                 with --restored-by-hand {name}=REASON; if its data are safe without us, give the reason \
                 with --backed-up-elsewhere {name}=REASON"
            ),
        ));
    }
}
