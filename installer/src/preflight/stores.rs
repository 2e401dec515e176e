//! Finds what speaks against dumping the stores of a plan, as far as an inspection can find it.

use std::time::Duration;

use super::measured;
use crate::history;
use crate::host::Host;
use crate::layout::Layout;
use crate::plan::{InstallPlan, PlannedStore};
use crate::problem::Problem;
use crate::stores::dumping::refuse_empty;
use crate::stores::{self, Limit, Stores, UnclearStore};

/// Longest time for the inspection of one store.
const LOOK: Duration = Duration::from_secs(30);

/// Inspects every store of the plan and returns how many bytes its dumps may take. A store whose
/// data change counts twice, because a revert dumps the current data before it replaces them.
pub(super) fn check(
    host: &dyn Host,
    reached: &dyn Stores,
    layout: &Layout,
    plan: &InstallPlan,
    problems: &mut Vec<Problem>,
) -> u64 {
    let components: Vec<_> = plan.known_components().collect();
    let discovery = stores::discover(host, layout, &components);
    problems.extend(unreadable(plan, &discovery.shown().unclear));
    let limit = Limit {
        time: LOOK,
        stopped: &|| false,
    };
    let past = history::all(layout).unwrap_or_default().runs;
    let mut bytes: u64 = 0;
    for store in plan.stores.iter().filter(|store| store.is_dumped()) {
        let access = discovery.access(&store.name, &store.endpoint);
        let access = access.map(|access| access.without_data_of(&store.exclude));
        let look = access.and_then(|access| reached.look(&access, limit));
        match look.and_then(|look| refuse_empty(&store.label(), look.items).map(|()| look)) {
            Ok(look) => {
                let times = 1 + u64::from(store.change.is_some());
                let one = measured::dump_bytes(measured::of(&past, store), &look);
                bytes += times * one;
                problems.extend(not_restorable(store, look.not_restorable));
            }
            Err(error) => problems.push(error.into()),
        }
    }
    bytes
}

/// Returns a problem for each store whose configuration the caller may not read. A plan by an
/// ordinary user leaves such stores out; a run must not.
fn unreadable<'a>(
    plan: &'a InstallPlan,
    unclear: &'a [UnclearStore],
) -> impl Iterator<Item = Problem> + 'a {
    let changes = |store: &&UnclearStore| {
        let mut components = plan.components();
        components.any(|planned| planned.component.name == store.component)
    };
    let denied = unclear
        .iter()
        .filter(|store| store.is_denied)
        .filter(changes);
    denied.map(|store| {
        Problem::new(
            format!(
                "whether {} is a data store is not known: {}",
                store.name, store.why
            ),
            "let root read the file for the time of the run",
        )
    })
}

fn not_restorable(store: &PlannedStore, why: Option<Problem>) -> Option<Problem> {
    store.change.as_ref()?;
    let why = why?;
    Some(Problem::new(
        format!(
            "this run changes the data of {} for good, and a revert could not restore them: {}",
            store.name, why.what
        ),
        format!(
            "{}; or, if you can restore a backup of your own, confirm it with \
             --backed-up-elsewhere {}=REASON",
            why.cure, store.name
        ),
    ))
}
